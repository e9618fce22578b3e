#include "daemon/api/router.hpp"

#include <map>
#include <new>
#include <set>
#include <stdexcept>

#include "daemon/operations/failure.hpp"
#include "test/support/catch.hpp"

using namespace banger;
using namespace banger::api;
using banger::test::ContainsSubstring;

namespace {

struct Found {
    const Route* route = nullptr;
    int status = 200;
    std::string body;
    Request request;
};

Found find(std::string method, std::string target) {
    Found found;
    found.request.method = std::move(method);
    found.request.target = std::move(target);
    auto result = find_route(all_routes(), found.request);
    if (auto* response = std::get_if<Response>(&result)) {
        found.status = response->status;
        found.body = response->body;
    } else {
        found.route = std::get<const Route*>(result);
    }
    return found;
}

}  // namespace

TEST_CASE("a path with a parameter finds its route and is decoded") {
    const auto found = find("GET", "/v1/images/docker.io%2Flibrary%2Fdebian:bookworm?x=1");
    REQUIRE(found.route);
    CHECK(found.route->pattern == "/v1/images/{image}");
    CHECK(found.request.param("image") == "docker.io/library/debian:bookworm");
}

TEST_CASE("every route is reached, whatever its parameters are called") {
    for (const auto& route : all_routes()) {
        auto target = std::string(route.pattern);
        if (auto begin = target.find('{'); begin != std::string::npos) {
            target.replace(begin, target.find('}') - begin + 1, "a1");
        }
        const auto found = find(std::string(route.method), target);
        INFO(found.body);
        REQUIRE(found.route);
        CHECK(found.route->pattern == route.pattern);
    }
}

TEST_CASE("a literal path is no parameter and a longer one no shorter one") {
    CHECK(find("GET", "/v1/operations/op-0123456789ab/events").route->pattern ==
          "/v1/operations/{id}/events");
    CHECK(find("GET", "/v1/vms").route->pattern == "/v1/vms");
    CHECK(find("GET", "/v1/vms/box/nothing").status == 404);
    CHECK(find("GET", "/v1").status == 404);
    CHECK(find("GET", "/").status == 404);
}

TEST_CASE("another method of a known path is 405 and an unknown path 404") {
    CHECK(find("PUT", "/v1/vms").status == 405);
    CHECK_THAT(find("PUT", "/v1/vms/box").body, ContainsSubstring("DELETE, GET"));
    CHECK(find("PUT", "/v1/vm").status == 404);
    CHECK(find("get", "/v1/vms").status == 405);
}

TEST_CASE("paths that are none, or hold what no name holds, are refused") {
    const auto target =
        GENERATE(as<std::string>{}, "", "v1/vms", "*", "http://banger/v1/vms", "/v1//vms",
                 "/v1/vms/", "/v1/vms/..", "/v1/vms/%2e%2e", "/v1/vms/.", "/v1/vms/a%00b",
                 "/v1/vms/a%0d%0ab", "/v1/vms/a%2fb", "/v1/vms/a b", "/v1/vms/a_b", "/v1/vms/%zz",
                 "/v1/vms/%ff", "/v1/vms/\xc3\xa4", "/v1/kernels/a%2fb", "/v1/operations/op_1");
    CAPTURE(target);
    const auto found = find("GET", target);
    CHECK(found.status == 400);
    CHECK_THAT(found.body, ContainsSubstring("\"code\":\"invalid_argument\""));
}

TEST_CASE("a name of 63 characters is possible, one of 64 is not") {
    CHECK(find("GET", "/v1/vms/" + std::string(63, 'a')).route);
    CHECK(find("GET", "/v1/vms/" + std::string(64, 'a')).status == 400);
}

TEST_CASE("a query is decoded as forms are") {
    auto request =
        find("GET", "/v1/vms/box/exec?command=echo&command=a+b%2Bc&tty=true&stdin&width=80")
            .request;
    CHECK(request.query_values("command") == std::vector<std::string>{"echo", "a b+c"});
    CHECK(request.query_flag("tty"));
    CHECK(request.query_flag("stdin"));
    CHECK(!request.query_flag("stdout"));
    CHECK(request.query_number("width", 100) == 80);
    CHECK(!request.query_number("height", 100));
    CHECK_THROWS_WITH(request.query_number("width", 79), ContainsSubstring("from 0 to 79"));
    CHECK_THROWS_AS(request.query_number("command", 9), Error);
    CHECK_THROWS_AS(request.query_flag("command"), Error);
}

TEST_CASE("no two routes are the same, and every parameter has a rule") {
    std::set<std::pair<std::string_view, std::string_view>> seen;
    for (const auto& route : all_routes()) {
        CAPTURE(route.pattern);
        CHECK(seen.emplace(route.method, route.pattern).second);
        std::string path(route.pattern);
        for (auto at = path.find('{'); at != std::string::npos; at = path.find('{')) {
            path.replace(at, path.find('}') - at + 1, "a1");
        }
        const auto found = find(std::string(route.method), path);
        CHECK(found.route == &route);
    }
}

TEST_CASE("what only reads and what streams ends with its client, what changes does not") {
    std::map<std::string, bool> ends;
    for (const auto& route : all_routes()) {
        ends[std::string(route.method) + " " + std::string(route.pattern)] =
            route.ends_with_client();
    }
    CHECK(ends.at("GET /v1/vms"));
    CHECK(ends.at("POST /v1/vms/{vm}/exec"));
    CHECK(!ends.at("POST /v1/vms"));
    CHECK(!ends.at("DELETE /v1/images/{image}"));
}

TEST_CASE("every error has its status") {
    CHECK(http_status(Errc::invalid_argument) == 400);
    CHECK(http_status(Errc::unauthorized) == 403);
    CHECK(http_status(Errc::not_found) == 404);
    CHECK(http_status(Errc::conflict) == 409);
    CHECK(http_status(Errc::already_exists) == 409);
    CHECK(http_status(Errc::unsupported) == 422);
    CHECK(http_status(Errc::internal) == 500);
    CHECK(http_status(Errc::unavailable) == 503);
    CHECK(http_status(Errc::no_space) == 507);
}

TEST_CASE("an error's text is valid JSON whatever is in it") {
    const auto response =
        error_response(404, {.code = "not_found", .message = "no \"x\xff\"", .op_id = "op-1"});
    const auto error = parse_json(response.body, "body").at("error");
    CHECK(error.at("code").as_string() == "not_found");
    CHECK(error.at("message").as_string() == "no \"x\xef\xbf\xbd\"");
    CHECK(error.at("op_id").as_string() == "op-1");
}

TEST_CASE("an error's lines stay, its control characters do not") {
    const std::string message = "it ended\nlast lines of its console:\n\x1b[31mred\x1b[0m";
    const std::string clean = "it ended\nlast lines of its console:\n?[31mred?[0m";
    const auto failure = std::make_exception_ptr(Error(Errc::unavailable, message));
    CHECK(operations::describe_failure(failure).message == clean);
    const auto response =
        error_response(503, {.code = "unavailable", .message = message, .op_id = {}});
    CHECK(parse_json(response.body, "body").at("error").at("message").as_string() == clean);
}

TEST_CASE("an exception nobody thought of is an internal error") {
    using operations::describe_failure;
    const auto mistake = describe_failure(std::make_exception_ptr(std::logic_error("a mistake")));
    CHECK(mistake.code == "internal");
    CHECK(mistake.message == "a mistake");
    CHECK(describe_failure(std::make_exception_ptr(std::bad_alloc())).message == "out of memory");
    CHECK(describe_failure(std::make_exception_ptr(7)).code == "internal");
}

TEST_CASE("a body is read leniently, and a wrong type named") {
    Request request;
    CHECK(parse_body<VmStopRequest>(request).seconds == 10);
    request.body = R"({"seconds":3,"unknown":[]})";
    CHECK(parse_body<VmStopRequest>(request).seconds == 3);
    request.body = R"({"seconds":-1})";
    CHECK_THROWS_WITH(parse_body<VmStopRequest>(request), ContainsSubstring("seconds: expected"));
    request.body = "[1]";
    CHECK_THROWS_AS(parse_body<VmStopRequest>(request), Error);
    request.body = std::string(100, '[');
    CHECK_THROWS_AS(parse_body<VmStopRequest>(request), Error);
}
