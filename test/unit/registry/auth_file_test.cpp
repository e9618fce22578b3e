#include "pipelines/image/registry/auth_file.hpp"

#include "pipelines/io/base64.hpp"
#include "pipelines/io/error.hpp"
#include "test/support/catch.hpp"

using namespace banger;
using namespace banger::image;
using test::ContainsSubstring;

namespace {

std::string entry(const std::string& key, const std::string& login) {
    return "\"" + key + R"(":{"auth":")" + base64_encode(login) + "\"}";
}

std::string auths(const std::vector<std::string>& entries) {
    std::string list;
    for (const auto& item : entries)
        list += (list.empty() ? "" : ",") + item;
    return R"({"auths":{)" + list + "}}";
}

/// The password found for `domain`/`path`; "" when there is none.
std::string password(const std::string& text, const std::string& domain,
                     const std::string& path = "a/b/c") {
    const auto found = find_login(parse_auth_file(text), login_names(domain, path));
    return found ? found->password : "";
}

}  // namespace

TEST_CASE("the login of the nearest namespace wins, then the host's", "[R3]") {
    const auto file = auths({entry("quay.io", "u:host"), entry("quay.io/a/b", "u:space"),
                             entry("quay.io/a/b/c", "u:whole"), entry("other.io", "u:other")});
    CHECK(password(file, "quay.io") == "whole");
    CHECK(password(file, "quay.io", "a/b/x") == "space");
    CHECK(password(file, "quay.io", "a/bb") == "host");
    CHECK(password(file, "quay.io", "x") == "host");
    CHECK(password(file, "quay.io:5000", "x").empty());
    CHECK(password(file, "sub.quay.io", "x").empty());
    CHECK(password(auths({entry("quay.io/a", "u:p")}), "quay.io", "b").empty());
}

TEST_CASE("keys may be spelled as URLs, and Docker Hub has many names", "[R3]") {
    for (const auto* key : {"https://index.docker.io/v1/", "https://index.docker.io/v1",
                            "docker.io", "index.docker.io", "registry-1.docker.io",
                            "https://docker.io", "http://index.docker.io/v2/", "docker.io/"}) {
        CAPTURE(key);
        CHECK(password(auths({entry(key, "u:p")}), "docker.io", "library/debian") == "p");
    }
    CHECK(password(auths({entry("https://r.io/v2/", "u:p")}), "r.io") == "p");
    CHECK(password(auths({entry("r.io/v1", "u:p")}), "r.io") == "p");
    // The exact spelling outranks the others.
    CHECK(password(auths({entry("https://r.io", "u:url"), entry("r.io", "u:name")}), "r.io") ==
          "name");
    CHECK(docker_key("docker.io") == "https://index.docker.io/v1/");
    CHECK(docker_key("r.io:5") == "r.io:5");
}

TEST_CASE("a login is read from auth, or from user name and password, colons and all", "[R3]") {
    const auto one = [](const std::string& text) {
        return find_login(parse_auth_file(text), {"r.io"}).value();
    };
    const auto colons = one(auths({entry("r.io", "me:pa:ss:")}));
    CHECK(colons.username == "me");
    CHECK(colons.password == "pa:ss:");
    CHECK(one(auths({entry("r.io", std::string("me:pw\0\0", 7))})).password == "pw");
    CHECK(one(auths({entry("r.io", "me:")})).password.empty());
    const auto plain = one(R"({"auths":{"r.io":{"username":"me","password":"pw"}}})");
    CHECK(plain.username == "me");
    CHECK(plain.password == "pw");
    CHECK(one(R"({"auths":{"r.io":{"identitytoken":"it"}}})").identity_token == "it");
    CHECK(one(R"({"auths":{"r.io":{"registrytoken":"rt","x":1}}})").registry_token == "rt");
}

TEST_CASE("an entry without content is none, and so is an empty file") {
    CHECK_FALSE(find_login(parse_auth_file(R"({"auths":{"r.io":{}}})"), {"r.io"}));
    for (const auto* text : {"", " \n", "{}", R"({"auths":null})", R"({"HttpHeaders":{}})"}) {
        CAPTURE(text);
        CHECK(parse_auth_file(text).logins.empty());
    }
}

TEST_CASE("a broken file is refused without showing what is in it") {
    for (const auto* text :
         {"{", "[]", "secret", R"({"auths":["secret"]})", R"({"auths":{"r.io":"secret"}})",
          R"({"auths":{"r.io":{"auth":["secret"]}}})", R"({"auths":{"r.io":{"auth":"!secret!"}}})",
          R"({"auths":{"r.io":{"auth":"c2VjcmV0"}}})", R"({"credsStore":["secret"]})",
          R"({"credHelpers":{"r.io":{}}})"}) {
        CAPTURE(text);
        try {
            parse_auth_file(text);
            FAIL_CHECK("was taken");
        } catch (const Error& error) {
            CHECK(error.code() == Errc::invalid_argument);
            CHECK(std::string(error.what()).find("secret") == std::string::npos);
        }
    }
}

TEST_CASE("a host's helper comes before the default one, and is a plain word", "[R5]") {
    const auto file =
        parse_auth_file(R"({"credHelpers":{"r.io":"one","https://index.docker.io/v1/":"hub"},)"
                        R"("credsStore":"rest"})");
    CHECK(find_helper(file, "r.io")->program == "docker-credential-one");
    CHECK(find_helper(file, "r.io")->server == "r.io");
    CHECK(find_helper(file, "docker.io")->program == "docker-credential-hub");
    CHECK(find_helper(file, "docker.io")->server == "https://index.docker.io/v1/");
    CHECK(find_helper(file, "x.io")->program == "docker-credential-rest");
    CHECK_FALSE(find_helper(parse_auth_file("{}"), "x.io"));
    for (const auto* name : {"../evil", "a b", "a;b", "a/b", "$(x)", "a\\nb"}) {
        CAPTURE(name);
        const auto bad = parse_auth_file(R"({"credsStore":")" + std::string(name) + "\"}");
        CHECK_THROWS_WITH(find_helper(bad, "x.io"),
                          ContainsSubstring("no name of a credential helper"));
    }
}

TEST_CASE("a helper's answer is a login, or an identity token", "[R5]") {
    const auto login = parse_helper_answer(R"({"ServerURL":"x","Username":"me","Secret":"pw"})");
    CHECK(login.username == "me");
    CHECK(login.password == "pw");
    const auto token = parse_helper_answer(R"({"Username":"<token>","Secret":"it"})");
    CHECK(token.identity_token == "it");
    CHECK(token.username.empty());
    CHECK_THROWS_AS(parse_helper_answer("my secret"), Error);
    CHECK_THROWS_WITH(parse_helper_answer(R"({"Secret":["hidden"]})"),
                      !ContainsSubstring("hidden"));
}
