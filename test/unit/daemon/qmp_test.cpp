#include "daemon/vm/qmp.hpp"

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/write.hpp>
#include <boost/json/serialize.hpp>
#include <vector>

#include "pipelines/io/error.hpp"
#include "pipelines/io/wait.hpp"
#include "test/support/catch.hpp"
#include "test/support/run_task.hpp"
#include "test/support/temp_dir.hpp"

using namespace banger;
using namespace banger::vm;
using test::ContainsSubstring;
using test::run_task;

namespace {

namespace asio = boost::asio;
using Protocol = asio::local::stream_protocol;

const std::string kGreeting = R"({"QMP": {"version": {}, "capabilities": []}})";

/// Says the first line when somebody connects, and the next after each line that comes.
Task<std::vector<std::string>> serve(std::string path, std::vector<std::string> lines) {
    auto executor = co_await asio::this_coro::executor;
    Protocol::acceptor acceptor(executor, Protocol::endpoint(path));
    auto socket = co_await acceptor.async_accept(asio::use_awaitable);
    std::vector<std::string> heard;
    std::string received;
    for (const auto& line : lines) {
        co_await asio::async_write(socket, asio::buffer(line + "\r\n"), asio::use_awaitable);
        auto [error, size] =
            co_await asio::async_read_until(socket, asio::dynamic_buffer(received), '\n', as_tuple);
        if (error) break;
        heard.push_back(received.substr(0, size));
        received.erase(0, size);
    }
    co_return heard;
}

Task<std::string> ask(std::string path, std::chrono::seconds limit) {
    try {
        auto answer = co_await run_qmp(path, "query-status", {{"a", 1}}, limit, "qemu");
        co_return boost::json::serialize(answer);
    } catch (const Error& e) {
        co_return fmt::format("{}: {}", to_string(e.code()), e.what());
    }
}

Task<std::string> ask_server(std::string path, std::vector<std::string> lines,
                             std::chrono::seconds limit = std::chrono::seconds(60)) {
    auto [heard, said] = co_await when_all(serve(path, std::move(lines)), ask(path, limit));
    CHECK(heard.at(0) == "{\"execute\":\"qmp_capabilities\"}\n");
    CHECK(heard.at(1) == "{\"execute\":\"query-status\",\"arguments\":{\"a\":1}}\n");
    co_return said;
}

}  // namespace

TEST_CASE("a qmp command returns what qemu returns, past greeting and events") {
    test::TempDir dir;
    auto said = run_task(ask_server(dir / "s", {kGreeting, R"({"return": {}})",
                                                R"({"event": "STOP", "timestamp": {}})"
                                                "\r\n"
                                                R"({"return": {"status": "paused"}})"}));
    CHECK(said == R"({"status":"paused"})");
}

TEST_CASE("what qemu refuses is told in its own words") {
    test::TempDir dir;
    auto said = run_task(
        ask_server(dir / "s", {kGreeting, R"({"return": {}})",
                               R"({"error": {"class": "GenericError", "desc": "no such disk"}})"}));
    CHECK(said == "internal: qemu refused 'query-status': no such disk");
}

TEST_CASE("a qemu that is not there, or that says something else, is told of") {
    test::TempDir dir;
    CHECK_THAT(run_task(ask(dir / "none", std::chrono::seconds(60))),
               ContainsSubstring("unavailable: qemu does not listen: "));
}

TEST_CASE("a qemu that stands still is waited for until the deadline") {
    test::TempDir dir;
    // It listens, and never accepts: as a stopped process does.
    boost::asio::io_context context;
    Protocol::acceptor acceptor(context, Protocol::endpoint(dir / "s"));
    CHECK(run_task(ask(dir / "s", std::chrono::seconds(1))) ==
          "timed_out: qemu did not answer 'query-status' within 1 s");
}
