#include "cli/api_client.hpp"
#include "cli/exec_client.hpp"
#include "cli/exec_status.hpp"
#include "cli/sse.hpp"
#include "test/support/catch.hpp"

namespace banger::cli {
namespace {

using banger::test::ContainsSubstring;

TEST_CASE("a successful status is exit code 0") {
    CHECK(parse_exec_status(R"({"metadata":{},"status":"Success"})") == 0);
}

TEST_CASE("a failed status carries the exit code of its cause") {
    const auto code = parse_exec_status(R"({"status":"Failure","reason":"NonZeroExitCode",
        "message":"command terminated with exit code 42","details":{"causes":[
        {"reason":"Other","message":"7"},{"reason":"ExitCode","message":"42"}]}})");
    CHECK(code == 42);
}

TEST_CASE("a failure without an exit code is an error with its message") {
    const auto text =
        GENERATE(as<std::string>{}, R"({"status":"Failure","message":"the VM went away"})",
                 R"({"status":"Failure","message":"the VM went away",
            "details":{"causes":[{"reason":"ExitCode","message":"4x"}]}})",
                 R"({"status":"Failure","message":"the VM went away",
            "details":{"causes":[{"reason":"ExitCode","message":"256"}]}})",
                 R"({"status":"Failure","message":"the VM went away",
            "details":{"causes":[{"reason":"ExitCode","message":"0"}]}})");
    CHECK_THROWS_WITH(parse_exec_status(text), "the VM went away");
}

TEST_CASE("a status that is none is an error") {
    const auto text = GENERATE(as<std::string>{}, "", "{}", "[]", "{\"status\":3}", "Success");
    CHECK_THROWS_AS(parse_exec_status(text), Error);
}

TEST_CASE("server-sent events are whole however the bytes are cut") {
    const std::string stream =
        ": hello\n\nid: 1\nevent: progress\ndata: {\"a\":1}\n\n"
        "event:end\r\ndata: one\r\ndata: two\r\n\r\ndata\n\n";
    const auto size = GENERATE(std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{1000});
    SseParser parser;
    std::vector<SseEvent> events;
    for (std::size_t at = 0; at < stream.size(); at += size) {
        for (auto& event : parser.push(std::string_view(stream).substr(at, size)))
            events.push_back(std::move(event));
    }
    REQUIRE(events.size() == 3);
    CHECK(events[0].name == "progress");
    CHECK(events[0].data == "{\"a\":1}");
    CHECK(events[1].name == "end");
    CHECK(events[1].data == "one\ntwo");
    CHECK(events[2].name == "message");
    CHECK(events[2].data.empty());
}

TEST_CASE("an event without data is none, and half an event is kept") {
    SseParser parser;
    CHECK(parser.push("event: x\n\nevent: y\ndata: 1\n").empty());
    const auto events = parser.push("\n");
    REQUIRE(events.size() == 1);
    CHECK(events[0].name == "y");
}

TEST_CASE("segments of a path are encoded whole") {
    CHECK(encode_segment("docker.io/library/debian:12 x") ==
          "docker.io%2Flibrary%2Fdebian%3A12%20x");
    CHECK(encode_segment("a-b_c.d~e") == "a-b_c.d~e");
}

TEST_CASE("the command, empty words included, becomes query parameters") {
    ExecPlan plan;
    plan.vm = "box";
    plan.command = {"sh", "-c", "echo $A & b=ü", ""};
    plan.env = {"A=1 2"};
    plan.cwd = "/tmp";
    plan.user = "1:2";
    CHECK(exec_target(plan) ==
          "/v1/vms/box/exec?stdout=true&stderr=true&stdin=true&tty=false&command=sh&command=-c"
          "&command=echo%20%24A%20%26%20b%3D%C3%BC&command=&env=A%3D1%202&cwd=%2Ftmp&user=1%3A2");
}

TEST_CASE("a terminal's size goes with the request") {
    ExecPlan plan;
    plan.vm = "box";
    plan.command = {"sh"};
    plan.tty = true;
    CHECK_THAT(exec_target(plan), ContainsSubstring("&width=") && ContainsSubstring("&height="));
}

TEST_CASE("an error's body gives its code and message") {
    const auto error = read_error_body(404, R"({"error":{"code":"not_found","message":"no box"}})");
    CHECK(error.code() == Errc::not_found);
    CHECK(std::string(error.what()) == "no box");
}

TEST_CASE("an error without a body of ours names the status") {
    const auto body =
        GENERATE(as<std::string>{}, "", "<html>", "{}", "{\"error\":null}", "{\"error\":\"x\"}");
    CHECK(std::string(read_error_body(502, body).what()) == "bangerd answered with status 502");
}

}  // namespace
}  // namespace banger::cli
