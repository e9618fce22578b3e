#include "pipelines/image/registry/registry_auth.hpp"

#include "pipelines/io/error.hpp"
#include "test/support/catch.hpp"

using namespace banger;
using namespace banger::image;
using namespace std::chrono_literals;

namespace {

RegistryAuth hub() {
    return {"https://registry-1.docker.io", "library/debian"};
}

std::string url_for(const RegistryAuth& auth, const std::string& field) {
    const std::vector<std::string> fields{field};
    return auth.token_url(fields);
}

const RegistryAuth::Clock::time_point kNow{};

}  // namespace

TEST_CASE("a challenge leads to the token service") {
    CHECK(url_for(hub(), R"(Bearer realm="https://auth.docker.io/token",service="reg",)"
                         R"(scope="repository:library/debian:pull")") ==
          "https://auth.docker.io/token?service=reg&scope=repository:library/debian:pull");
    CHECK(url_for(hub(), R"(Negotiate, Bearer realm="https://a.io/t?x=1")") ==
          "https://a.io/t?x=1&scope=repository:library/debian:pull");
}

TEST_CASE("a realm that must not be trusted is refused") {
    for (const auto* realm :
         {"http://auth.docker.io/token", "https://127.0.0.1/t", "https://10.0.0.1/t",
          "https://169.254.169.254/latest", "https://[::1]/t", "https://[fd00::1]/t",
          "https://localhost/t", "https://[::ffff:192.168.0.1]/t", "ftp://x/y", "nonsense", ""}) {
        CAPTURE(realm);
        CHECK_THROWS_AS(url_for(hub(), "Bearer realm=\"" + std::string(realm) + "\""), Error);
    }
    CHECK_THROWS_AS(url_for(hub(), "Basic realm=\"x\""), Error);
}

TEST_CASE("a registry in a private network may keep its token service there") {
    const RegistryAuth inside("https://192.168.1.5:5000", "app");
    CHECK_NOTHROW(url_for(inside, "Bearer realm=\"https://192.168.1.5:5000/token\""));
    const RegistryAuth local("http://127.0.0.1:5000", "app");
    CHECK_NOTHROW(url_for(local, "Bearer realm=\"http://127.0.0.1:5001/token\""));
}

TEST_CASE("a token is used for four fifths of its life") {
    auto auth = hub();
    CHECK_FALSE(auth.authorization(kNow));
    auth.accept_token(R"({"token":"abc","expires_in":300})", kNow);
    CHECK(auth.authorization(kNow + 239s) == "Bearer abc");
    CHECK_FALSE(auth.authorization(kNow + 240s));
}

TEST_CASE("token answers come in many shapes") {
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
    for (const auto* body : {"{}", R"({"token":""})", R"({"token":5})", "[]", "null"}) {
        CAPTURE(body);
        CHECK_THROWS_AS(hub().accept_token(body, kNow), Error);
    }
    CHECK_THROWS_AS(hub().accept_token("<html>", kNow), Error);
}
