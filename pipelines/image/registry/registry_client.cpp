#include "pipelines/image/registry/registry_client.hpp"

#include <algorithm>
#include <boost/describe.hpp>

#include "pipelines/image/registry/registry_blob.hpp"
#include "pipelines/io/decompress.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/json.hpp"
#include "pipelines/io/nearest.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::image {
namespace {

constexpr std::size_t kMaxErrorBytes = 64 * 1024;
constexpr std::size_t kMaxTagListBytes = 1024 * 1024;
constexpr int kMaxRedirects = 10;
/// A name that nobody answers to is most likely mistyped: one more try, not four.
constexpr int kTriesWhenNeverReached = 2;

/// The answer to tags/list; registries write "tags":null for none.
struct TagList {
    std::vector<std::string> tags;
};
BOOST_DESCRIBE_STRUCT(TagList, (), (tags))

std::string scheme_for(const Reference& reference, const std::vector<std::string>& plain_hosts) {
    const auto host = reference.domain.substr(0, reference.domain.rfind(':'));
    const bool listed = std::any_of(plain_hosts.begin(), plain_hosts.end(), [&](const auto& item) {
        return item == reference.domain || item == host;
    });
    return listed || is_loopback_host(reference.domain) ? "http://" : "https://";
}

/// "manifest unknown", from {"errors":[{"message":…}]}; empty when the body is something else.
std::string message_in(std::string_view body) {
    try {
        const auto json = parse_json(body, "an error");
        return std::string(json.at("errors").at(0).at("message").as_string());
    } catch (const std::exception&) {
        return {};
    }
}

Errc code_for(int status) {
    if (status == 401 || status == 403) return Errc::unauthorized;
    if (status == 404) return Errc::not_found;
    return is_retryable_status(status) ? Errc::unavailable : Errc::unsupported;
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

std::optional<std::chrono::seconds> retry_after_of(const HttpHeaders& headers) {
    const auto value = headers.find("Retry-After");
    if (!value) return std::nullopt;
    return parse_retry_after(*value, std::chrono::system_clock::now());
}

}  // namespace

bool is_transient(const Error& error) {
    return error.code() == Errc::unavailable || error.code() == Errc::timed_out;
}

RegistryClient::RegistryClient(boost::asio::any_io_executor executor, Reference reference,
                               RegistryOptions options)
    : reference_(std::move(reference)),
      options_(std::move(options)),
      base_url_(scheme_for(reference_, options_.plain_http_hosts) + reference_.api_host()),
      http_(executor, HttpOptions{.plain_http_hosts = options_.plain_http_hosts}),
      auth_(base_url_, reference_.path) {}

Task<Document> RegistryClient::root() {
    auto fetched =
        co_await fetch("manifests/" + reference_.manifest_name(), reference_.to_string());
    if (!fetched) {
        const auto hint = reference_.digest ? std::string() : co_await suggest_tag();
        fail(Errc::not_found, "no image {} in the registry{}", reference_.to_string(), hint);
    }
    Hasher hasher(reference_.digest ? reference_.digest->algorithm : "sha256");
    hasher.update(fetched->body);
    auto digest = hasher.finish();
    if (reference_.digest && digest != *reference_.digest) {
        fail(Errc::digest_mismatch, "the registry sent another manifest for {}: {}",
             reference_.to_string(), digest.to_string());
    }
    co_return Document{parse_manifest(fetched->body, fetched->content_type), std::move(digest)};
}

Task<Document> RegistryClient::document(Descriptor descriptor) {
    const auto what = "manifest " + descriptor.digest.short_hex();
    const auto fetched = co_await fetch("manifests/" + descriptor.digest.to_string(), what);
    if (!fetched) fail(Errc::not_found, "{} has no {}", reference_.domain, what);
    check_document(fetched->body, descriptor, what);
    co_return Document{parse_manifest(fetched->body, descriptor.media_type), descriptor.digest};
}

Task<Blob> RegistryClient::open_blob(Descriptor descriptor) {
    co_return Blob{UniqueFd(), std::make_unique<RegistryBlob>(*this, std::move(descriptor))};
}

Task<std::optional<RegistryClient::Fetched>> RegistryClient::fetch(std::string path,
                                                                   std::string what) {
    Retries retries(options_.retry);
    for (;;) {
        auto response = co_await get({path, manifest_accept_header(), 0}, retries);
        if (response->status() == 404) co_return std::nullopt;
        if (response->status() != 200) co_await fail_status(std::move(response), what);
        std::exception_ptr cut;
        try {
            const auto headers = response->headers();
            auto body = decoded(co_await response->read_all(kMaxDocumentBytes), headers);
            co_return Fetched{std::move(body), headers.find("Content-Type").value_or("")};
        } catch (const Error& error) {
            if (!is_transient(error)) throw;
            cut = std::current_exception();
        }
        co_await wait_before_retry(retries, cut);
    }
}

Task<RegistryClient::Response> RegistryClient::get(Wanted wanted, Retries& retries) {
    for (;;) {
        std::exception_ptr reason;
        std::optional<std::chrono::seconds> retry_after;
        try {
            auto response = co_await send_authorized(wanted);
            reached_ = true;
            if (!is_retryable_status(response->status())) co_return response;
            retry_after = retry_after_of(response->headers());
            co_await fail_status(std::move(response), reference_.to_string());
        } catch (const Error& error) {
            if (!is_transient(error)) throw;
            reason = std::current_exception();
        }
        co_await wait_before_retry(retries, reason, retry_after);
    }
}

Task<void> RegistryClient::wait_before_retry(Retries& retries, std::exception_ptr reason,
                                             std::optional<std::chrono::seconds> retry_after) {
    const auto delay = retries.next_delay(retry_after);
    const bool hopeless = !reached_ && retries.failures() >= kTriesWhenNeverReached;
    if (!delay || hopeless) std::rethrow_exception(reason);
    co_await sleep_for(*delay);
}

Task<RegistryClient::Response> RegistryClient::send_authorized(Wanted wanted) {
    auto response = co_await send_once(wanted);
    if (response->status() != 401) co_return response;
    auto fields = response->headers().find_all("WWW-Authenticate");
    response.reset();
    auth_.forget_token();
    co_await fetch_token(std::move(fields));
    co_return co_await send_once(wanted);
}

Task<RegistryClient::Response> RegistryClient::send_once(Wanted wanted) {
    HttpRequest request;
    request.url = base_url_ + "/v2/" + reference_.path + "/" + wanted.path;
    request.max_redirects = kMaxRedirects;
    if (!wanted.accept.empty()) request.headers.set("Accept", wanted.accept);
    request.headers.set("Accept-Encoding", "identity");
    if (wanted.from > 0) request.headers.set("Range", fmt::format("bytes={}-", wanted.from));
    if (const auto value = auth_.authorization(RegistryAuth::Clock::now())) {
        request.headers.set("Authorization", *value);
    }
    return http_.send(std::move(request));
}

Task<void> RegistryClient::fetch_token(std::vector<std::string> www_authenticate) {
    HttpRequest request;
    request.url = auth_.token_url(www_authenticate);
    auto response = co_await http_.send(std::move(request));
    if (response->status() != 200) {
        co_await fail_status(std::move(response), "a token for " + reference_.to_string());
    }
    auth_.accept_token(co_await response->read_all(kMaxTokenBytes), RegistryAuth::Clock::now());
}

Task<void> RegistryClient::fail_status(Response response, std::string what) {
    const int status = response->status();
    std::string body;
    try {
        body = co_await response->read_all(kMaxErrorBytes);
    } catch (const Error&) {
        // The status alone must do.
    }
    const auto message = message_in(body);
    fail(code_for(status), "{} refused {} with status {}{}", reference_.domain, what, status,
         message.empty() ? "" : ": " + message);
}

Task<std::string> RegistryClient::suggest_tag() {
    try {
        auto response = co_await send_authorized({"tags/list", "application/json", 0});
        if (response->status() != 200) co_return "";
        const auto list =
            parse_json(co_await response->read_all(kMaxTagListBytes), "the list of tags");
        co_return did_you_mean(reference_.tag, from_json<TagList>(list).tags);
    } catch (const boost::system::system_error& error) {
        // Some registries list no tags; a cancellation, though, is not theirs.
        if (error.code() == boost::asio::error::operation_aborted) throw;
        co_return "";
    } catch (const Error&) {
        co_return "";
    }
}

}  // namespace banger::image
