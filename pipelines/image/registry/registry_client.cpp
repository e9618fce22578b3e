#include "pipelines/image/registry/registry_client.hpp"

#include <algorithm>
#include <boost/describe.hpp>

#include "pipelines/image/registry/registry_blob.hpp"
#include "pipelines/io/decompress.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/http_target.hpp"
#include "pipelines/io/json.hpp"
#include "pipelines/io/nearest.hpp"

namespace banger::image {
namespace {

constexpr std::size_t kMaxTagListBytes = 1024 * 1024;
/// There is always somewhere else to go.
constexpr int kTriesOfMirror = 2;

/// The answer to tags/list; registries write "tags":null for none.
struct TagList {
    std::vector<std::string> tags;
};
BOOST_DESCRIBE_STRUCT(TagList, (), (tags))

/// One with certificates of its own speaks TLS wherever it is.
std::string base_url_for(const std::string& api_host, const RegistrySettings& settings) {
    const auto host = api_host.substr(0, api_host.rfind(':'));
    const auto& plain_hosts = settings.plain_http_hosts;
    const bool listed = std::any_of(plain_hosts.begin(), plain_hosts.end(), [&](const auto& item) {
        return item == api_host || item == host;
    });
    const bool has_ca = settings.ca_files.contains(api_host) || settings.ca_files.contains(host);
    const bool plain = listed || (is_loopback_host(api_host) && !has_ca);
    return (plain ? "http://" : "https://") + api_host;
}

/// We ask for identity; a proxy that compresses all the same is put up with for small documents.
std::string decoded(std::string body, const HttpHeaders& headers) {
    const auto encoding = headers.find("Content-Encoding").value_or("identity");
    if (encoding == "identity") return body;
    std::string plain;
    const auto sink = [&](std::span<const std::byte> bytes) {
        plain.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        if (plain.size() > kMaxDocumentBytes) {
            fail(Errc::invalid_argument, "a document is larger than {} bytes", kMaxDocumentBytes);
        }
    };
    const auto input = std::as_bytes(std::span(body));
    auto decoder = make_decompressor(sniff_compression(input));
    decoder->push(input, sink);
    decoder->finish(sink);
    return plain;
}

Digest digest_of(std::string_view body, const std::string& algorithm) {
    Hasher hasher(algorithm);
    hasher.update(body);
    return hasher.finish();
}

std::unique_ptr<RegistryHost> make_mirror(boost::asio::any_io_executor executor,
                                          const std::string& url, const std::string& repository,
                                          RegistrySettings settings) {
    settings.retry.attempts = std::min(settings.retry.attempts, kTriesOfMirror);
    return std::make_unique<RegistryHost>(executor, url, parse_http_url(url).authority, repository,
                                          Credential{}, settings);
}

/// What a mirror may be guilty of: everything but our own end.
bool is_fault_of_mirror(const Error& error) {
    return error.code() != Errc::cancelled && error.code() != Errc::no_space &&
           error.code() != Errc::internal;
}

}  // namespace

RegistryClient::RegistryClient(boost::asio::any_io_executor executor, Reference reference,
                               RegistrySettings settings, Credential credential)
    : reference_(std::move(reference)),
      settings_(std::move(settings)),
      origin_(executor, base_url_for(reference_.api_host(), settings_), reference_.domain,
              reference_.path, std::move(credential), settings_) {
    const auto found = settings_.mirrors.find(reference_.domain);
    if (found == settings_.mirrors.end()) return;
    for (const auto& url : found->second)
        mirrors_.push_back(make_mirror(executor, url, reference_.path, settings_));
}

Task<Document> RegistryClient::root() {
    if (!mirrors_.empty()) {
        if (auto document = co_await root_by_digest_of_tag()) co_return std::move(*document);
    }
    std::optional<Fetched> fetched;
    std::exception_ptr unreachable;
    try {
        fetched = co_await fetch(origin_, "manifests/" + reference_.manifest_name(),
                                 reference_.to_string());
    } catch (const Error& error) {
        if (!is_transient(error) || mirrors_.empty() || reference_.digest) throw;
        unreachable = std::current_exception();
    }
    if (unreachable) fetched = co_await root_without_origin(unreachable);
    if (!fetched) {
        const auto hint = reference_.digest ? std::string() : co_await suggest_tag();
        fail(Errc::not_found, "no image {} in the registry{}", reference_.to_string(), hint);
    }
    auto digest =
        digest_of(fetched->body, reference_.digest ? reference_.digest->algorithm : "sha256");
    if (reference_.digest && digest != *reference_.digest) {
        fail(Errc::digest_mismatch, "the registry sent another manifest for {}: {}",
             reference_.to_string(), digest.to_string());
    }
    co_return Document{parse_manifest(fetched->body, fetched->content_type), std::move(digest)};
}

Task<std::optional<Digest>> RegistryClient::root_digest() {
    looked_up_ = co_await look_up_tag();
    co_return looked_up_;
}

Task<std::optional<Document>> RegistryClient::root_by_digest_of_tag() {
    auto digest = reference_.digest ? reference_.digest : looked_up_;
    if (!digest) digest = co_await look_up_tag();
    if (!digest) co_return std::nullopt;
    auto fetched = co_await fetch_from_mirrors(*digest);
    if (!fetched) co_return std::nullopt;
    co_return Document{parse_manifest(fetched->body, fetched->content_type), *digest};
}

Task<std::optional<Digest>> RegistryClient::look_up_tag() {
    auto retries = origin_.new_retries();
    try {
        auto response = co_await origin_.get({.path = "manifests/" + reference_.manifest_name(),
                                              .accept = manifest_accept_header(),
                                              .method = "HEAD"},
                                             retries);
        const auto field = response->headers().find("Docker-Content-Digest");
        if (response->status() != 200 || !field) co_return std::nullopt;
        co_return parse_digest(*field);
    } catch (const Error&) {
        // The GET that follows tells what is wrong, or that only HEAD was.
        co_return std::nullopt;
    }
}

Task<std::optional<RegistryClient::Fetched>> RegistryClient::fetch_from_mirrors(Digest digest) {
    for (const auto& mirror : mirrors_) {
        try {
            auto fetched = co_await fetch(*mirror, "manifests/" + digest.to_string(), "a manifest");
            if (fetched && digest_of(fetched->body, digest.algorithm) == digest) co_return fetched;
        } catch (const Error& error) {
            if (!is_fault_of_mirror(error)) throw;
        }
    }
    co_return std::nullopt;
}

Task<RegistryClient::Fetched> RegistryClient::root_without_origin(std::exception_ptr why) {
    for (const auto& mirror : mirrors_) {
        try {
            auto fetched = co_await fetch(*mirror, "manifests/" + reference_.tag, "a manifest");
            if (!fetched) continue;
            notes_.push_back(fmt::format("{} does not answer; the tag {} is what its mirror {} has",
                                         reference_.domain, reference_.tag, mirror->name()));
            co_return std::move(*fetched);
        } catch (const Error& error) {
            if (!is_fault_of_mirror(error)) throw;
        }
    }
    std::rethrow_exception(why);
}

Task<Document> RegistryClient::document(Descriptor descriptor) {
    const auto what = "manifest " + descriptor.digest.short_hex();
    auto fetched = co_await fetch_from_mirrors(descriptor.digest);
    if (!fetched) {
        fetched = co_await fetch(origin_, "manifests/" + descriptor.digest.to_string(), what);
    }
    if (!fetched) fail(Errc::not_found, "{} has no {}", reference_.domain, what);
    check_document(fetched->body, descriptor, what);
    co_return Document{parse_manifest(fetched->body, descriptor.media_type), descriptor.digest};
}

Task<Blob> RegistryClient::open_blob(Descriptor descriptor) {
    co_return Blob{UniqueFd(), std::make_unique<RegistryBlob>(*this, std::move(descriptor))};
}

bool RegistryClient::distrust(const Descriptor& descriptor) {
    const auto digest = descriptor.digest.to_string();
    return second_hand_.contains(digest) && distrusted_.insert(digest).second;
}

std::vector<std::string> RegistryClient::warnings() const {
    auto all = notes_;
    all.insert(all.end(), origin_.warnings().begin(), origin_.warnings().end());
    for (const auto& mirror : mirrors_)
        all.insert(all.end(), mirror->warnings().begin(), mirror->warnings().end());
    return all;
}

Task<std::optional<RegistryClient::Fetched>> RegistryClient::fetch(RegistryHost& host,
                                                                   std::string path,
                                                                   std::string what) {
    auto retries = host.new_retries();
    for (;;) {
        auto response = co_await host.get({path, manifest_accept_header()}, retries);
        if (response->status() == 404) co_return std::nullopt;
        if (response->status() != 200) {
            co_await host.fail_status(std::move(response), what);
            co_return std::nullopt;  // never reached: it throws
        }
        std::exception_ptr cut;
        try {
            const auto headers = response->headers();
            auto body = decoded(co_await response->read_all(kMaxDocumentBytes), headers);
            co_return Fetched{std::move(body), headers.find("Content-Type").value_or("")};
        } catch (const Error& error) {
            if (!is_transient(error)) throw;
            cut = std::current_exception();
        }
        co_await host.wait_before_retry(retries, cut);
    }
}

Task<std::string> RegistryClient::suggest_tag() {
    try {
        auto response = co_await origin_.send({"tags/list", "application/json"});
        if (response->status() != 200) co_return "";
        const auto list =
            parse_foreign_json(co_await response->read_all(kMaxTagListBytes), "the list of tags");
        co_return did_you_mean(reference_.tag, from_json<TagList>(list).tags);
    } catch (const boost::system::system_error& error) {
        // Some registries list no tags; a cancellation, though, is not theirs.
        if (error.code() == boost::asio::error::operation_aborted) throw;
        co_return "";
    } catch (const Error&) {
        co_return "";
    }
}

Task<void> RegistryClient::check_login(boost::asio::any_io_executor executor, std::string domain,
                                       RegistrySettings settings, Credential credential) {
    const Reference reference{.domain = domain, .path = {}, .tag = {}, .digest = {}};
    RegistryHost host(executor, base_url_for(reference.api_host(), settings), domain, "",
                      std::move(credential), settings);
    auto retries = host.new_retries();
    auto response = co_await host.get({"", "application/json"}, retries);
    if (response->status() != 200) co_await host.fail_status(std::move(response), "the login");
    if (host.auth().refused()) fail(Errc::unauthorized, "{} refused the login", domain);
}

}  // namespace banger::image
