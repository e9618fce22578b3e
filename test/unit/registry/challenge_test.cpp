#include "pipelines/image/registry/challenge.hpp"

#include "test/support/catch.hpp"

using namespace banger::image;

namespace {

std::vector<Challenge> parse(std::vector<std::string> fields) {
    return parse_challenges(fields);
}

}  // namespace

TEST_CASE("a Bearer challenge gives realm, service and a scope with a comma in it", "[R6]") {
    const auto all =
        parse({R"(Bearer realm="https://auth.docker.io/token",service="registry.docker.io",)"
               R"(scope="repository:a/b:pull,push")"});
    REQUIRE(all.size() == 1);
    CHECK(all[0].scheme == "bearer");
    CHECK(all[0].find("realm") == "https://auth.docker.io/token");
    CHECK(all[0].find("service") == "registry.docker.io");
    CHECK(all[0].find("scope") == "repository:a/b:pull,push");
    CHECK_FALSE(all[0].find("error"));
}

TEST_CASE("white space around '=', quoted pairs, and upper case are read", "[R6]") {
    const auto all = parse({"BEARER Realm = \"a\\\"b\\\\c\" ,\tservice\t=\ttoken"});
    REQUIRE(all.size() == 1);
    CHECK(all[0].scheme == "bearer");
    CHECK(all[0].find("realm") == "a\"b\\c");
    CHECK(all[0].find("service") == "token");
}

TEST_CASE("several challenges come in one field or in several", "[R6]") {
    const auto one = parse({R"(Negotiate, Basic realm="x", Bearer realm="y",service="z")"});
    REQUIRE(one.size() == 3);
    CHECK(one[0].scheme == "negotiate");
    CHECK(one[1].find("realm") == "x");
    CHECK(one[2].find("service") == "z");
    const auto two = parse({"Basic realm=\"x\"", "Bearer realm=\"y\""});
    REQUIRE(two.size() == 2);
    CHECK(two[1].find("realm") == "y");
}

TEST_CASE("a token68 credential is passed over", "[R6]") {
    const auto all = parse({"Negotiate YWJjZA==, Bearer realm=\"y\""});
    REQUIRE(all.size() == 2);
    CHECK(all[0].parameters.empty());
    CHECK(all[1].find("realm") == "y");
}

TEST_CASE("empty list elements are allowed") {
    const auto all = parse({" , ,Bearer realm=\"y\", ,service=s,"});
    REQUIRE(all.size() == 1);
    CHECK(all[0].find("service") == "s");
}

TEST_CASE("what cannot be read ends its field without harm") {
    CHECK(parse({""}).empty());
    CHECK(parse({"\"quoted\""}).empty());
    CHECK(parse({"Bearer@x"}).empty());
    const auto cut = parse({R"(Bearer service="s",realm="unterminated)"});
    REQUIRE_FALSE(cut.empty());
    CHECK(cut[0].find("service") == "s");
    CHECK_FALSE(cut[0].find("realm"));
    CHECK(parse({"Bearer realm=\"y", "Bearer realm=\"z\""}).back().find("realm") == "z");
}
