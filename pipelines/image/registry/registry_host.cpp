#include "pipelines/image/registry/registry_host.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "pipelines/io/error.hpp"
#include "pipelines/io/http_target.hpp"
#include "pipelines/io/json.hpp"
#include "pipelines/io/utf8.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::image {
namespace {

constexpr std::size_t kMaxErrorBytes = 64 * 1024;
constexpr int kMaxRedirects = 10;
/// A name that nobody answers to is most likely mistyped: one more try, not four.
constexpr int kTriesWhenNeverReached = 2;
constexpr std::size_t kMaxWarnings = 16;

/// "manifest unknown", from {"errors":[{"message":…}]}; empty when the body is something else.
std::string message_in(std::string_view body) {
    try {
        const auto json = parse_json(body, "an error");
        return printable(std::string(json.at("errors").at(0).at("message").as_string()));
    } catch (const std::exception&) {
        return {};
    }
}

Errc code_for(int status) {
    if (status == 401 || status == 403) return Errc::unauthorized;
    if (status == 404) return Errc::not_found;
    return is_retryable_status(status) ? Errc::unavailable : Errc::unsupported;
}

std::optional<std::chrono::seconds> retry_after_of(const HttpHeaders& headers) {
    const auto value = headers.find("Retry-After");
    if (!value) return std::nullopt;
    return parse_retry_after(*value, std::chrono::system_clock::now());
}

/// A refusal that came with the time to come back, whether the host's or its token service's.
class ComeBackLater : public Error {
  public:
    ComeBackLater(const Error& refusal, std::chrono::seconds after)
        : Error(refusal), after_(after) {}
    std::chrono::seconds after() const { return after_; }

  private:
    std::chrono::seconds after_;
};

std::string origin_of(const HttpTarget& target) {
    return (target.tls ? "https://" : "http://") + target.authority;
}

/// The text of `299 - "text"`, fit to be printed; nullopt for other codes.
std::optional<std::string> warning_text(std::string_view field) {
    if (!field.starts_with("299 ")) return std::nullopt;
    const auto open = field.find('"');
    if (open == field.npos) return std::nullopt;
    std::string text;
    for (auto at = open + 1; at < field.size() && field[at] != '"'; ++at) {
        if (field[at] == '\\' && at + 1 < field.size()) ++at;
        text += field[at];
    }
    return printable(std::move(text));
}

}  // namespace

HttpOptions http_options(const RegistrySettings& settings) {
    return {.plain_http_hosts = settings.plain_http_hosts,
            .host_ca_files = settings.ca_files,
            .connect_timeout = settings.patience.connect,
            .header_timeout = settings.patience.header,
            .stall_timeout = settings.patience.stall,
            .slow_window = settings.patience.slow_window,
            .slow_bytes = settings.patience.slow_bytes};
}

bool is_transient(const Error& error) {
    return error.code() == Errc::unavailable || error.code() == Errc::timed_out;
}

RegistryHost::RegistryHost(boost::asio::any_io_executor executor, std::string base_url,
                           std::string name, std::string repository, Credential credential,
                           const RegistrySettings& settings)
    : name_(std::move(name)),
      repository_(std::move(repository)),
      origin_url_(origin_of(parse_http_url(base_url))),
      retry_(settings.retry),
      http_(executor, http_options(settings)),
      auth_(origin_url_, repository_, std::move(credential)),
      guard_(parse_http_url(base_url)) {
    auto prefix = parse_http_url(base_url).path;
    while (prefix.ends_with('/'))
        prefix.pop_back();
    base_path_ = "/v2" + prefix + "/" + (repository_.empty() ? "" : repository_ + "/");
}

Task<RegistryHost::Response> RegistryHost::get(Wanted wanted, Retries& retries) {
    for (;;) {
        std::exception_ptr reason;
        std::optional<std::chrono::seconds> retry_after;
        try {
            auto response = co_await send(wanted);
            if (!is_retryable_status(response->status())) co_return response;
            co_await fail_status(std::move(response), repository_);
        } catch (const ComeBackLater& error) {
            if (!is_transient(error)) throw;
            reason = std::current_exception();
            retry_after = error.after();
        } catch (const Error& error) {
            if (!is_transient(error)) throw;
            reason = std::current_exception();
        }
        co_await wait_before_retry(retries, reason, retry_after);
    }
}

Task<void> RegistryHost::wait_before_retry(Retries& retries, std::exception_ptr reason,
                                           std::optional<std::chrono::seconds> retry_after) {
    const auto delay = retries.next_delay(retry_after);
    const bool hopeless = !reached_ && retries.failures() >= kTriesWhenNeverReached;
    if (!delay || hopeless) std::rethrow_exception(reason);
    co_await sleep_for(*delay);
}

Task<RegistryHost::Response> RegistryHost::send(Wanted wanted) {
    const auto own_url = origin_url_ + base_path_ + wanted.path;
    auto sent = auth_.authorization(RegistryAuth::Clock::now());
    auto response = co_await send_to(own_url, wanted, sent);
    reached_ = true;
    std::set<const RegistryAuth*> answered;
    while (response->status() == 401) {
        const auto url = response->url();
        auto& auth = auth_for(url);
        const bool own = &auth == &auth_;
        if (!answered.insert(&auth).second) break;
        auto fields = response->headers().find_all("WWW-Authenticate");
        response.reset();
        co_await answer_challenge(auth, std::move(fields), own ? sent : std::nullopt);
        sent = auth.authorization(RegistryAuth::Clock::now());
        response = co_await send_to(own ? own_url : url, wanted, sent);
    }
    co_return response;
}

Task<RegistryHost::Response> RegistryHost::get_foreign(std::string url, std::uint64_t from) {
    return send_to(std::move(url), {.path = {}, .accept = {}, .from = from}, std::nullopt);
}

Task<RegistryHost::Response> RegistryHost::send_to(std::string url, Wanted wanted,
                                                   std::optional<std::string> authorization) {
    HttpRequest request;
    request.method = wanted.method;
    request.url = std::move(url);
    request.max_redirects = kMaxRedirects;
    if (!wanted.accept.empty()) request.headers.set("Accept", wanted.accept);
    request.headers.set("Accept-Encoding", "identity");
    if (wanted.from > 0) request.headers.set("Range", fmt::format("bytes={}-", wanted.from));
    if (authorization) request.headers.set("Authorization", *authorization);
    request.check_address = [this](const auto& target, const auto& address) {
        guard_.check_redirect(target, address);
    };
    auto response = co_await http_.send(std::move(request));
    note_warnings(response->headers());
    co_return response;
}

RegistryAuth& RegistryHost::auth_for(const std::string& url) {
    const auto target = parse_http_url(url);
    if (target.same_origin(parse_http_url(origin_url_))) return auth_;
    const auto origin = origin_of(target);
    return foreign_.try_emplace(origin, origin, repository_).first->second;
}

Task<void> RegistryHost::answer_challenge(RegistryAuth& auth, Fields fields,
                                          std::optional<std::string> sent) {
    // Another layer may have got a new token meanwhile.
    const auto now = auth.authorization(RegistryAuth::Clock::now());
    if (now && now != sent) co_return;
    auth.forget_token();
    std::vector<TokenWay> ways;
    try {
        ways = auth.answer_challenge(fields);
    } catch (const Error& error) {
        fail(error.code(), "{}{}", error.what(), &auth == &auth_ ? login_hint() : "");
    }
    if (!ways.empty()) co_await fetch_token(auth, std::move(fields), std::move(ways));
}

Task<void> RegistryHost::fetch_token(RegistryAuth& auth, Fields fields,
                                     std::vector<TokenWay> ways) {
    for (const auto way : ways) {
        auto request = auth.token_request(fields, way);
        request.check_address = [this](const auto& target, const auto& address) {
            guard_.check_token_service(target, address);
        };
        auto response = co_await http_.send(std::move(request));
        const int status = response->status();
        if (status == 200) {
            auth.accept_token(co_await response->read_all(kMaxTokenBytes),
                              RegistryAuth::Clock::now());
            if (way != TokenWay::anonymous) auth.set_refused(false);
            if (auth.refused()) add_warning("the credentials given for " + name_ + " were refused");
            co_return;
        }
        if (!RegistryAuth::may_go_on(way, status)) {
            co_await fail_status(std::move(response), "a token for " + repository_);
        }
        auth.set_refused(true);
    }
}

std::string RegistryHost::login_hint() const {
    if (auth_.refused()) return "; the credentials given for " + name_ + " were refused";
    if (auth_.has_credential()) return "";
    return "; 'banger registry login " + name_ + "' gives it credentials";
}

Task<void> RegistryHost::fail_status(Response response, std::string what) {
    const int status = response->status();
    const auto retry_after = retry_after_of(response->headers());
    std::string body;
    try {
        body = co_await response->read_all(kMaxErrorBytes);
    } catch (const Error&) {
        // The status alone must do.
    }
    const auto message = message_in(body);
    const Error refusal(code_for(status),
                        fmt::format("{} refused {} with status {}{}{}", name_, what, status,
                                    message.empty() ? "" : ": " + message,
                                    code_for(status) == Errc::unauthorized ? login_hint() : ""));
    if (retry_after) throw ComeBackLater(refusal, *retry_after);
    throw refusal;
}

void RegistryHost::note_warnings(const HttpHeaders& headers) {
    for (const auto& field : headers.find_all("Warning")) {
        auto text = warning_text(field);
        if (!text || warnings_.size() >= kMaxWarnings) continue;
        add_warning(name_ + " warns: " + *text);
    }
}

void RegistryHost::add_warning(std::string text) {
    if (std::find(warnings_.begin(), warnings_.end(), text) == warnings_.end()) {
        warnings_.push_back(std::move(text));
    }
}

}  // namespace banger::image
