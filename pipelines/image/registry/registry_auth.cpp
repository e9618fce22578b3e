#include "pipelines/image/registry/registry_auth.hpp"

#include <algorithm>
#include <boost/url/parse.hpp>
#include <boost/url/url.hpp>

#include "pipelines/image/registry/challenge.hpp"
#include "pipelines/io/base64.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/json.hpp"
#include "pipelines/io/utf8.hpp"

namespace banger::image {
namespace {

constexpr std::int64_t kDefaultLifeSeconds = 60;
constexpr std::int64_t kMaxLifeSeconds = 24 * 3600;
constexpr int kMaxTokenRedirects = 10;
constexpr std::string_view kClient = "banger";
/// What helpers and configuration files call the user of an identity token.
constexpr std::string_view kTokenUser = "<token>";

/// The first of that scheme; null when there is none.
const Challenge* find_scheme(const std::vector<Challenge>& challenges, std::string_view scheme) {
    const auto found = std::find_if(challenges.begin(), challenges.end(),
                                    [&](const auto& c) { return c.scheme == scheme; });
    return found == challenges.end() ? nullptr : &*found;
}

std::string basic(const std::string& user, const std::string& password) {
    return "Basic " + base64_encode(user + ":" + password);
}

/// Where GET has to do although there is only an identity token, it takes the password's place.
std::string login_of(const Credential& credential) {
    if (credential.identity_token.empty()) return basic(credential.username, credential.password);
    const auto& user = credential.username;
    return basic(user.empty() ? std::string(kTokenUser) : user,
                 credential.password.empty() ? credential.identity_token : credential.password);
}

boost::urls::url parse_url(std::string_view text, std::string_view registry) {
    auto url = boost::urls::parse_uri({text.data(), text.size()});
    const bool whole = url && !url->encoded_host().empty() &&
                       (url->encoded_path().empty() || url->is_path_absolute());
    if (!whole || (url->scheme() != "https" && url->scheme() != "http")) {
        fail(Errc::unauthorized, "{} sends for a token to '{}', which is no web address", registry,
             printable(std::string(text)));
    }
    return boost::urls::url(*url);
}

/// As application/x-www-form-urlencoded wants it.
std::string form(const std::vector<std::pair<std::string, std::string>>& fields) {
    boost::urls::url url;
    for (const auto& [name, value] : fields)
        url.params().append({name, value});
    std::string text(url.encoded_query());
    // In a form a bare plus is a space.
    for (auto at = text.find('+'); at != text.npos; at = text.find('+', at))
        text.replace(at, 1, "%2B");
    return text;
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

/// A token goes into a header: one that would break it is none.
bool is_token(const boost::json::value* value) {
    if (!value || !value->is_string() || value->get_string().empty()) return false;
    const auto& text = value->get_string();
    return std::all_of(text.begin(), text.end(),
                       [](unsigned char c) { return c > 0x20 && c < 0x7F; });
}

}  // namespace

RegistryAuth::RegistryAuth(std::string base_url, std::string repository, Credential credential)
    : base_url_(std::move(base_url)),
      repository_(std::move(repository)),
      credential_(std::move(credential)) {}

std::optional<std::string> RegistryAuth::authorization(Clock::time_point now) const {
    if (basic_) return login_of(credential_);
    if (!token_.empty() && now < stale_at_) return "Bearer " + token_;
    if (!credential_.registry_token.empty() && !refused_) {
        return "Bearer " + credential_.registry_token;
    }
    return std::nullopt;
}

std::vector<TokenWay> RegistryAuth::answer_challenge(
    std::span<const std::string> www_authenticate) {
    const auto challenges = parse_challenges(www_authenticate);
    // Whatever was sent this time did not do.
    if (basic_ || (!credential_.registry_token.empty() && token_.empty())) refused_ = true;
    const bool can_login = credential_.has_login() || !credential_.identity_token.empty();
    if (find_scheme(challenges, "bearer")) {
        std::vector<TokenWay> ways;
        if (!refused_ && !credential_.identity_token.empty()) ways.push_back(TokenWay::refresh);
        if (!refused_ && can_login) ways.push_back(TokenWay::login);
        ways.push_back(TokenWay::anonymous);
        return ways;
    }
    if (find_scheme(challenges, "basic") && can_login && !basic_) {
        basic_ = true;
        return {};
    }
    if (refused_) fail(Errc::unauthorized, "{} refuses the credentials given for it", base_url_);
    fail(Errc::unauthorized, "{} wants a login", base_url_);
}

HttpRequest RegistryAuth::token_request(std::span<const std::string> www_authenticate,
                                        TokenWay way) const {
    const auto challenges = parse_challenges(www_authenticate);
    const auto* bearer = find_scheme(challenges, "bearer");
    if (!bearer) fail(Errc::unauthorized, "{} wants a login", base_url_);
    auto url = parse_url(bearer->find("realm").value_or(""), base_url_);
    if (url.scheme() == "http" && base_url_.starts_with("https:")) {
        fail(Errc::unauthorized, "{} sends for a token to {}, which is not encrypted", base_url_,
             std::string(url.encoded_host_and_port()));
    }
    auto scope = bearer->find("scope").value_or("");
    if (scope.empty() && !repository_.empty()) scope = "repository:" + repository_ + ":pull";
    const auto service = bearer->find("service");

    HttpRequest request;
    request.headers.set("Accept-Encoding", "identity");
    if (way == TokenWay::refresh) {
        request.method = "POST";
        request.url = std::string(url.buffer());
        request.headers.set("Content-Type", "application/x-www-form-urlencoded");
        request.body = form({{"grant_type", "refresh_token"},
                             {"service", service.value_or("")},
                             {"client_id", std::string(kClient)},
                             {"scope", scope},
                             {"refresh_token", credential_.identity_token}});
        return request;
    }
    if (service) url.params().set("service", *service);
    if (!scope.empty()) url.params().set("scope", scope);
    request.url = std::string(url.buffer());
    request.max_redirects = kMaxTokenRedirects;
    if (way == TokenWay::login) request.headers.set("Authorization", login_of(credential_));
    return request;
}

bool RegistryAuth::may_go_on(TokenWay way, int status) {
    // A service without the POST half says 404 or 405; the others say what they think of the login.
    if (way == TokenWay::anonymous) return false;
    if (status == 400 || status == 401 || status == 403) return true;
    return way == TokenWay::refresh && (status == 404 || status == 405);
}

void RegistryAuth::accept_token(std::string_view body, Clock::time_point now) {
    const auto answer = parse_foreign_json(body, "the token service's answer");
    const auto* object = answer.if_object();
    for (const auto* key : {"token", "access_token"}) {
        const auto* token = object ? object->if_contains(key) : nullptr;
        if (!is_token(token)) continue;
        token_ = std::string(token->get_string());
        stale_at_ = now + std::chrono::seconds(life_of(*object)) * 4 / 5;
        return;
    }
    fail(Errc::unauthorized, "the token service of {} gave no token", base_url_);
}

void RegistryAuth::forget_token() {
    token_.clear();
}

}  // namespace banger::image
