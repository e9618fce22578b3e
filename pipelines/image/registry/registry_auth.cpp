#include "pipelines/image/registry/registry_auth.hpp"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url.hpp>

#include "pipelines/image/registry/challenge.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/json.hpp"

namespace banger::image {
namespace {

constexpr std::int64_t kDefaultLifeSeconds = 60;
constexpr std::int64_t kMaxLifeSeconds = 24 * 3600;

bool is_internal_v4(const boost::asio::ip::address_v4& address) {
    const auto bits = address.to_uint();
    const auto in = [bits](std::uint32_t net, int length) {
        return bits >> (32 - length) == net >> (32 - length);
    };
    return in(0x00000000, 8) || in(0x0A000000, 8) || in(0x64400000, 10) || in(0x7F000000, 8) ||
           in(0xA9FE0000, 16) || in(0xAC100000, 12) || in(0xC0A80000, 16);
}

/// An address that a registry on the outside has no business to send us to.
bool is_internal_address(std::string_view host) {
    if (host == "localhost" || host.ends_with(".localhost")) return true;
    if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
    boost::system::error_code ec;
    const auto address = boost::asio::ip::make_address(std::string(host), ec);
    if (ec) return false;
    if (address.is_v4()) return is_internal_v4(address.to_v4());
    const auto v6 = address.to_v6();
    if (v6.is_v4_mapped()) {
        return is_internal_v4(boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, v6));
    }
    const bool unique_local = (v6.to_bytes()[0] & 0xFE) == 0xFC;
    return v6.is_loopback() || v6.is_link_local() || v6.is_unspecified() || unique_local;
}

const Challenge& bearer_of(const std::vector<Challenge>& challenges, std::string_view registry) {
    const auto found = std::find_if(challenges.begin(), challenges.end(),
                                    [](const auto& c) { return c.scheme == "bearer"; });
    if (found == challenges.end()) {
        fail(Errc::unauthorized, "{} wants a login, and banger can only pull public images yet",
             registry);
    }
    return *found;
}

void check_realm(const boost::urls::url& realm, const boost::urls::url& registry) {
    const auto complain = [&](std::string_view why) {
        fail(Errc::unauthorized, "{} sends for a token to {}, {}", registry.c_str(), realm.c_str(),
             why);
    };
    if (realm.scheme() != "https" && realm.scheme() != "http") complain("which is no web address");
    if (realm.scheme() == "http" && registry.scheme() == "https")
        complain("which is not encrypted");
    const bool same_place = realm.encoded_host_and_port() == registry.encoded_host_and_port();
    if (!same_place && is_internal_address(realm.encoded_host()) &&
        !is_internal_address(registry.encoded_host())) {
        complain("an address inside a private network");
    }
}

boost::urls::url parse_url(std::string_view text, std::string_view registry) {
    auto url = boost::urls::parse_uri({text.data(), text.size()});
    if (!url || url->encoded_host().empty()) {
        fail(Errc::unauthorized, "{} sends for a token to '{}', which is no web address", registry,
             text);
    }
    return boost::urls::url(*url);
}

/// Servers give numbers, strings, zero or nonsense here.
std::int64_t life_of(const boost::json::object& answer) {
    const auto* value = answer.if_contains("expires_in");
    if (!value || !value->is_number()) return kDefaultLifeSeconds;
    boost::system::error_code ec;
    const auto seconds = value->to_number<std::int64_t>(ec);
    if (ec || seconds <= 0) return kDefaultLifeSeconds;
    return std::min(seconds, kMaxLifeSeconds);
}

}  // namespace

RegistryAuth::RegistryAuth(std::string base_url, std::string repository)
    : base_url_(std::move(base_url)), repository_(std::move(repository)) {}

std::optional<std::string> RegistryAuth::authorization(Clock::time_point now) const {
    if (token_.empty() || now >= stale_at_) return std::nullopt;
    return "Bearer " + token_;
}

std::string RegistryAuth::token_url(std::span<const std::string> www_authenticate) const {
    const auto challenges = parse_challenges(www_authenticate);
    const auto& bearer = bearer_of(challenges, base_url_);
    auto url = parse_url(bearer.find("realm").value_or(""), base_url_);
    check_realm(url, parse_url(base_url_, base_url_));
    if (const auto service = bearer.find("service")) url.params().set("service", *service);
    const auto scope = bearer.find("scope").value_or("");
    url.params().set("scope", scope.empty() ? "repository:" + repository_ + ":pull" : scope);
    return std::string(url.buffer());
}

void RegistryAuth::accept_token(std::string_view body, Clock::time_point now) {
    const auto answer = parse_json(body, "the token service's answer");
    const auto* object = answer.if_object();
    for (const auto* key : {"token", "access_token"}) {
        const auto* token = object ? object->if_contains(key) : nullptr;
        if (!token || !token->is_string() || token->get_string().empty()) continue;
        token_ = std::string(token->get_string());
        stale_at_ = now + std::chrono::seconds(life_of(*object)) * 4 / 5;
        return;
    }
    fail(Errc::unauthorized, "the token service of {} gave no token", base_url_);
}

}  // namespace banger::image
