#include "pipelines/image/registry/registry_auth.hpp"

#include "pipelines/io/error.hpp"
#include "test/support/catch.hpp"

using namespace banger;
using namespace banger::image;
using namespace std::chrono_literals;

namespace {

RegistryAuth hub(Credential credential = {}) {
    return {"https://registry-1.docker.io", "library/debian", std::move(credential)};
}

HttpRequest request_for(const RegistryAuth& auth, const std::string& field,
                        TokenWay way = TokenWay::anonymous) {
    const std::vector<std::string> fields{field};
    return auth.token_request(fields, way);
}

std::vector<TokenWay> ways_of(RegistryAuth& auth, const std::string& field) {
    const std::vector<std::string> fields{field};
    return auth.answer_challenge(fields);
}

const RegistryAuth::Clock::time_point kNow{};
const std::string kBearer = R"(Bearer realm="https://auth.docker.io/token",service="a b+c")";

}  // namespace

TEST_CASE("a challenge leads to the token service", "[R2]") {
    CHECK(request_for(hub(), R"(Bearer realm="https://auth.docker.io/token",service="reg",)"
                             R"(scope="repository:library/debian:pull")")
              .url ==
          "https://auth.docker.io/token?service=reg&scope=repository:library/debian:pull");
    CHECK(request_for(hub(), R"(Negotiate, Bearer realm="https://a.io/t?x=1")").url ==
          "https://a.io/t?x=1&scope=repository:library/debian:pull");
    CHECK_FALSE(request_for(hub(), kBearer).headers.find("Authorization"));
}

TEST_CASE("a realm that must not be trusted is refused", "[R8]") {
    for (const auto* realm : {"http://auth.docker.io/token", "ftp://x/y", "nonsense", "", "/token",
                              "https:///token", "http://127.0.0.1.example.org/x"}) {
        CAPTURE(realm);
        CHECK_THROWS_AS(request_for(hub(), "Bearer realm=\"" + std::string(realm) + "\""), Error);
    }
    const RegistryAuth plain("http://127.0.0.1:5000", "app");
    CHECK_NOTHROW(request_for(plain, "Bearer realm=\"http://127.0.0.1:5001/token\""));
}

TEST_CASE("a login goes to the token service, or with each request where Basic is wanted", "[R3]") {
    auto bearer = hub({.username = "me", .password = "p:w"});
    CHECK_FALSE(bearer.authorization(kNow));
    CHECK(ways_of(bearer, "Basic realm=\"x\", " + kBearer) ==
          std::vector<TokenWay>{TokenWay::login, TokenWay::anonymous});
    CHECK(request_for(bearer, kBearer, TokenWay::login).headers.find("Authorization") ==
          "Basic bWU6cDp3");
    CHECK_FALSE(bearer.authorization(kNow));

    auto basic = hub({.username = "me", .password = "p:w"});
    CHECK(ways_of(basic, "Basic realm=\"x\"").empty());
    CHECK(basic.authorization(kNow) == "Basic bWU6cDp3");
    CHECK_THROWS_WITH(ways_of(basic, "Basic realm=\"x\""),
                      test::ContainsSubstring("refuses the credentials"));
}

TEST_CASE("without a login, Basic and unknown schemes cannot be met") {
    for (const auto* field : {"Basic realm=\"x\"", "Negotiate", ""}) {
        CAPTURE(field);
        auto auth = hub();
        CHECK_THROWS_WITH(ways_of(auth, field), test::ContainsSubstring("wants a login"));
    }
}

TEST_CASE(
    "[R4] an identity token is posted, and takes the password's place where only GET is known") {
    auto auth = hub({.identity_token = "i+t&x"});
    CHECK(ways_of(auth, kBearer) ==
          std::vector<TokenWay>{TokenWay::refresh, TokenWay::login, TokenWay::anonymous});
    const auto post = request_for(auth, kBearer, TokenWay::refresh);
    CHECK(post.method == "POST");
    CHECK(post.url == "https://auth.docker.io/token");
    CHECK(post.max_redirects == 0);
    CHECK(post.body ==
          "grant_type=refresh_token&service=a%20b%2Bc&client_id=banger&"
          "scope=repository:library/debian:pull&refresh_token=i%2Bt%26x");
    CHECK_FALSE(post.headers.find("Authorization"));
    CHECK(request_for(auth, kBearer, TokenWay::login).headers.find("Authorization") ==
          "Basic PHRva2VuPjppK3QmeA==");
    for (const int status : {404, 405, 401, 400})
        CHECK(RegistryAuth::may_go_on(TokenWay::refresh, status));
    for (const int status : {500, 302})
        CHECK_FALSE(RegistryAuth::may_go_on(TokenWay::refresh, status));
    CHECK_FALSE(RegistryAuth::may_go_on(TokenWay::login, 404));
    CHECK_FALSE(RegistryAuth::may_go_on(TokenWay::anonymous, 401));
}

TEST_CASE("a registry token is sent as it is, until it is refused") {
    auto auth = hub({.registry_token = "rt"});
    CHECK(auth.authorization(kNow) == "Bearer rt");
    CHECK(ways_of(auth, kBearer) == std::vector<TokenWay>{TokenWay::anonymous});
    CHECK(auth.refused());
    CHECK_FALSE(auth.authorization(kNow));
}

TEST_CASE("credentials that were refused are not tried again") {
    auto auth = hub({.username = "me", .password = "pw"});
    auth.set_refused(true);
    CHECK(ways_of(auth, kBearer) == std::vector<TokenWay>{TokenWay::anonymous});
}

TEST_CASE("a token is used for four fifths of its life", "[R7]") {
    auto auth = hub();
    CHECK_FALSE(auth.authorization(kNow));
    auth.accept_token(R"({"token":"abc","expires_in":300})", kNow);
    CHECK(auth.authorization(kNow + 239s) == "Bearer abc");
    CHECK_FALSE(auth.authorization(kNow + 240s));
}

TEST_CASE("token answers come in many shapes", "[R7]") {
    auto auth = hub();
    auth.accept_token(R"({"access_token":"abc"})", kNow);
    CHECK(auth.authorization(kNow + 47s) == "Bearer abc");
    CHECK_FALSE(auth.authorization(kNow + 48s));
    for (const auto* life : {"0", "-5", "\"300\"", "null", "1e400"}) {
        CAPTURE(life);
        auto other = hub();
        try {
            other.accept_token("{\"token\":\"t\",\"expires_in\":" + std::string(life) + "}", kNow);
            CHECK_FALSE(other.authorization(kNow + 48s));
        } catch (const Error&) {
            // A number that JSON readers may refuse altogether.
        }
    }
    for (const auto* body : {"{}", R"({"token":""})", R"({"token":5})",
                             R"({"token":"a\r\nInjected: yes"})", "[]", "null"}) {
        CAPTURE(body);
        CHECK_THROWS_AS(hub().accept_token(body, kNow), Error);
    }
    CHECK_THROWS_AS(hub().accept_token("<html>", kNow), Error);
}
