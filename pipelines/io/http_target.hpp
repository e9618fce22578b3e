#pragma once

#include <string>

namespace banger {

struct HttpOptions;
struct HttpRequest;

/// Where a request goes: the parts of an absolute http or https URL.
struct HttpTarget {
    bool tls = false;
    std::string host;  ///< lower case, an IPv6 address without brackets
    std::string port;
    std::string authority;  ///< what the Host field says: "example.org", "[::1]:5000"
    std::string path;       ///< path and query, percent-encoded, never empty

    /// Names the peer in messages and in the table of idle connections: "example.org:443".
    std::string origin() const;
    bool same_origin(const HttpTarget& other) const;
};

/// Throws Error{invalid_argument} for what is no such URL, or holds a user name or password.
/// Messages never show the query, which may hold a token.
HttpTarget parse_http_url(const std::string& url);

/// Throws Error{unauthorized} when `target` is plain HTTP and not allowed to be.
void check_plain_http(const HttpTarget& target, const HttpOptions& options);

/// Throws Error{invalid_argument} for a method or field that would break the message: a name that
/// is no token, CR, LF, NUL or another control character in a value.
void check_request(const HttpRequest& request);

/// Makes `request` the one that follows from "Location: `location`"; drops the credentials when the
/// origin changes. Throws Error{unavailable} for a step from https to http.
void follow_redirect(HttpRequest& request, const std::string& location);

}  // namespace banger
