#include "pipelines/io/http_target.hpp"

#include "pipelines/io/error.hpp"
#include "pipelines/io/http_client.hpp"
#include "test/support/catch.hpp"

using namespace banger;

namespace {

HttpRequest request_for(const std::string& url) {
    HttpRequest request;
    request.url = url;
    request.headers.add("Authorization", "Bearer secret");
    request.headers.add("cookie", "a=b");
    request.headers.add("Accept", "x/y");
    return request;
}

/// The URL after a redirect, with "+" when the credentials were kept.
std::string redirected(const std::string& url, const std::string& location) {
    auto request = request_for(url);
    follow_redirect(request, location);
    const bool kept = request.headers.find("Authorization").has_value();
    CHECK(kept == request.headers.find("Cookie").has_value());
    CHECK(request.headers.find("Accept") == "x/y");
    return request.url + (kept ? "+" : "");
}

void check_header(const std::string& name, const std::string& value) {
    HttpRequest request{.url = "http://localhost/"};
    request.headers.add(name, value);
    check_request(request);
}

}  // namespace

TEST_CASE("a URL is taken apart") {
    const auto target = parse_http_url("HTTPS://Example.Org:8443/v2/a%2Fb?x=1&y=%20#top");

    CHECK(target.tls);
    CHECK(target.host == "example.org");
    CHECK(target.port == "8443");
    CHECK(target.path == "/v2/a%2Fb?x=1&y=%20");
    CHECK(target.origin() == "example.org:8443");
}

TEST_CASE("a URL has a port and a path even when it does not say so") {
    CHECK(parse_http_url("http://a").origin() == "a:80");
    CHECK(parse_http_url("https://a?x").origin() == "a:443");
    CHECK(parse_http_url("https://a").path == "/");
    CHECK(parse_http_url("https://a?x").path == "/?x");
    CHECK(parse_http_url("https://a").authority == "a");
}

TEST_CASE("an IPv6 address is written with brackets where they are needed") {
    const auto target = parse_http_url("http://[::1]:5000/");

    CHECK(target.host == "::1");
    CHECK(target.origin() == "[::1]:5000");
    CHECK(target.authority == "[::1]:5000");
}

TEST_CASE("what is no http URL is refused without showing its query") {
    CHECK_THROWS_WITH(parse_http_url("/path?token=secret"), "'/path' is not an absolute URL");
    CHECK_THROWS_AS(parse_http_url(""), Error);
    CHECK_THROWS_AS(parse_http_url("https:///path"), Error);
    CHECK_THROWS_AS(parse_http_url("http://a/b c"), Error);
    CHECK_THROWS_AS(parse_http_url("http://a/\r\nX: y"), Error);
    CHECK_THROWS_WITH(parse_http_url("ftp://a/"),
                      test::ContainsSubstring("neither an http nor an https"));
    CHECK_THROWS_WITH(
        parse_http_url("https://user:pass@a/"),
        test::ContainsSubstring("holds a user name") && !test::ContainsSubstring("pass"));
}

TEST_CASE("a host that only begins like an IPv4 address is not taken for that address") {
    CHECK_THROWS_AS(parse_http_url("http://127.0.0.1.example.org/x"), Error);
    CHECK_THROWS_AS(parse_http_url("http://127.0.0.1.example.org:80"), Error);
    CHECK_THROWS_AS(redirected("http://127.0.0.1/", "http://127.0.0.1.example.org/x"), Error);
    CHECK_THROWS_AS(redirected("http://127.0.0.1/", "//127.0.0.1.example.org/x"), Error);
}

TEST_CASE("plain HTTP goes to loopback, to listed hosts and to Unix sockets only", "[R22]") {
    const auto refused = [](const std::string& url, HttpOptions options = {}) {
        try {
            check_plain_http(parse_http_url(url), options);
        } catch (const Error& e) {
            return e.code() == Errc::unauthorized;
        }
        return false;
    };

    CHECK(refused("http://example.org/"));
    CHECK(refused("http://10.0.0.1:5000/"));
    CHECK_FALSE(refused("https://example.org/"));
    CHECK_FALSE(refused("http://127.0.0.1:5000/"));
    CHECK_FALSE(refused("http://example.org:5000/", {.plain_http_hosts = {"example.org:5000"}}));
    CHECK_FALSE(refused("http://example.org:5000/", {.plain_http_hosts = {"example.org"}}));
    CHECK(refused("http://example.org:5001/", {.plain_http_hosts = {"example.org:5000"}}));
    CHECK_FALSE(refused("http://banger/v1/vms", {.unix_socket = "/run/x.sock"}));
}

TEST_CASE("loopback hosts are known with and without port") {
    for (const auto* host : {"localhost", "LOCALHOST:5000", "127.0.0.1", "127.8.9.1:80", "::1",
                             "[::1]", "[::1]:5000"}) {
        INFO(host);
        CHECK(is_loopback_host(host));
    }
    for (const auto* host : {"", "localhost.example.org", "128.0.0.1", "0.0.0.0", "::2", "[::1",
                             "1270.0.0.1", "127.0.0.1.example.org", "localhost:5000:x"}) {
        INFO(host);
        CHECK_FALSE(is_loopback_host(host));
    }
}

TEST_CASE("a header that would break the message is refused without showing its value") {
    CHECK_NOTHROW(check_header("X-Name", "a value\twith a tab and \xc3\xa4"));
    CHECK_THROWS_WITH(
        check_header("X-Name", "secret\r\nInjected: yes"),
        test::ContainsSubstring("header X-Name") && !test::ContainsSubstring("secret"));
    CHECK_THROWS_AS(check_header("X-Name", "a\nb"), Error);
    CHECK_THROWS_AS(check_header("X-Name", "a\rb"), Error);
    CHECK_THROWS_AS(check_header("X-Name", std::string("a\0b", 3)), Error);
    CHECK_THROWS_AS(check_header("X Name", "a"), Error);
    CHECK_THROWS_AS(check_header("X:Name", "a"), Error);
    CHECK_THROWS_AS(check_header("", "a"), Error);
    CHECK_THROWS_AS(check_request({.method = "GET /x HTTP/1.1\r\n", .url = "http://localhost"}),
                    Error);
}

TEST_CASE("a redirect within an origin keeps the credentials") {
    CHECK(redirected("https://a/x/y?q", "/z") == "https://a/z+");
    CHECK(redirected("https://a/x/y?q", "z") == "https://a/x/z+");
    CHECK(redirected("https://a/x/y?q", "https://A:443/z") == "https://A:443/z+");
}

TEST_CASE("a redirect to another host, port or scheme drops the credentials", "[R9]") {
    CHECK(redirected("https://a/x", "https://b/x") == "https://b/x");
    CHECK(redirected("https://a/x", "//b/x") == "https://b/x");
    CHECK(redirected("https://a/x", "https://a:444/x") == "https://a:444/x");
    CHECK(redirected("http://a/x", "https://a:80/x") == "https://a:80/x");
}

TEST_CASE("a redirect from https to http is refused", "[R9]") {
    CHECK_THROWS_WITH(redirected("https://a/x", "http://a/x"),
                      "a:443 redirects from https to http at a:80");
    CHECK_THROWS_WITH(redirected("https://a/x", "https://b/ x"),
                      test::ContainsSubstring("not a URL"));
    CHECK_THROWS_AS(redirected("https://a/x", "file:///etc/passwd"), Error);
}

TEST_CASE("header names compare without case") {
    HttpHeaders headers;
    headers.add("Link", "one");
    headers.add("link", "two");
    headers.set("X", "1");
    headers.set("x", "2");

    CHECK(headers.find("LINK") == "one");
    CHECK(headers.find_all("LINK") == std::vector<std::string>{"one", "two"});
    CHECK(headers.find_all("X") == std::vector<std::string>{"2"});
    headers.erase("LINK");
    CHECK_FALSE(headers.find("Link"));
}
