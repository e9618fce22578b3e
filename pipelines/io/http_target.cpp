#include "pipelines/io/http_target.hpp"

#include <algorithm>
#include <boost/url.hpp>
#include <cctype>
#include <string_view>

#include "pipelines/io/error.hpp"
#include "pipelines/io/http_client.hpp"

namespace banger {

namespace urls = boost::urls;

namespace {

std::string lower_case(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

/// What of a URL may be shown.
std::string shown(std::string_view url) {
    return std::string(url.substr(0, url.find('?')));
}

/// Boost.URL 1.81 ends the host of "127.0.0.1.example.org" after the fourth number and takes the
/// rest for a path; unnoticed, a stranger would pass for loopback.
bool is_whole(const urls::url_view& url) {
    return !url.has_authority() || url.encoded_path().empty() || url.is_path_absolute();
}

urls::url parse_url(const std::string& url) {
    auto parsed = urls::parse_uri(url);
    if (!parsed || !is_whole(*parsed) || !parsed->has_authority() ||
        parsed->encoded_host().empty()) {
        fail(Errc::invalid_argument, "'{}' is not an absolute URL", shown(url));
    }
    return urls::url(*parsed);
}

bool is_token(std::string_view text) {
    constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
    return !text.empty() && std::all_of(text.begin(), text.end(), [&](unsigned char c) {
        return std::isalnum(c) != 0 || kMarks.find(static_cast<char>(c)) != kMarks.npos;
    });
}

bool is_field_value(std::string_view text) {
    return std::none_of(text.begin(), text.end(),
                        [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; });
}

}  // namespace

std::string HttpTarget::origin() const {
    const bool ipv6 = host.find(':') != host.npos;
    return ipv6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

bool HttpTarget::same_origin(const HttpTarget& other) const {
    return tls == other.tls && host == other.host && port == other.port;
}

HttpTarget parse_http_url(const std::string& text) {
    const auto url = parse_url(text);
    const auto scheme = lower_case(std::string(url.scheme()));
    if (scheme != "http" && scheme != "https") {
        fail(Errc::invalid_argument, "'{}' is neither an http nor an https URL", shown(text));
    }
    if (url.has_userinfo()) {
        fail(Errc::invalid_argument, "the URL of {} holds a user name; credentials go elsewhere",
             std::string(url.encoded_host()));
    }
    HttpTarget target;
    target.tls = scheme == "https";
    target.host = lower_case(std::string(url.host_address()));
    target.port = std::string(url.port());
    if (target.port.empty()) target.port = target.tls ? "443" : "80";
    target.authority = std::string(url.encoded_host_and_port());
    const std::string path(url.encoded_path());
    target.path = path.empty() ? "/" : path;
    if (url.has_query()) target.path += "?" + std::string(url.encoded_query());
    return target;
}

void check_plain_http(const HttpTarget& target, const HttpOptions& options) {
    if (target.tls || !options.unix_socket.empty() || is_loopback_host(target.host)) return;
    const auto& allowed = options.plain_http_hosts;
    const auto lists = [&allowed](const std::string& name) {
        return std::find(allowed.begin(), allowed.end(), name) != allowed.end();
    };
    if (lists(target.host) || lists(target.origin()) || lists(target.authority)) return;
    fail(Errc::unauthorized,
         "plain HTTP to {} is refused; use https, or allow plain HTTP for this host",
         target.origin());
}

void check_request(const HttpRequest& request) {
    if (!is_token(request.method)) {
        fail(Errc::invalid_argument, "'{}' is not an HTTP method", request.method);
    }
    for (const auto& [name, value] : request.headers.fields()) {
        if (!is_token(name)) fail(Errc::invalid_argument, "'{}' is not a header name", name);
        if (!is_field_value(value)) {
            fail(Errc::invalid_argument, "header {} has a line break or control character in it",
                 name);
        }
    }
}

void follow_redirect(HttpRequest& request, const std::string& location) {
    const auto old_target = parse_http_url(request.url);
    const auto reference = urls::parse_uri_reference(location);
    urls::url next;
    if (!reference || !is_whole(*reference) ||
        !urls::resolve(parse_url(request.url), *reference, next)) {
        fail(Errc::unsupported, "{} redirects to '{}', which is not a URL", old_target.origin(),
             shown(location));
    }
    request.url = std::string(next.buffer());
    const auto target = parse_http_url(request.url);
    if (old_target.tls && !target.tls) {
        fail(Errc::unsupported, "{} redirects from https to http at {}", old_target.origin(),
             target.origin());
    }
    if (target.same_origin(old_target)) return;
    request.headers.erase("Authorization");
    request.headers.erase("Cookie");
}

}  // namespace banger
