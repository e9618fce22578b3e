#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <cstring>
#include <filesystem>

#include "pipelines/io/atomic_file.hpp"
#include "test/integration/api_fixture.hpp"
#include "test/support/catch.hpp"

using namespace banger;
using namespace banger::test;
using namespace std::chrono_literals;

namespace {

namespace asio = boost::asio;
using Local = asio::local::stream_protocol;

Task<Local::socket> connect(ApiFixture& api) {
    Local::socket socket(co_await asio::this_coro::executor);
    co_await socket.async_connect(Local::endpoint(api.paths.socket()), asio::use_awaitable);
    co_return socket;
}

Task<void> send(Local::socket& socket, std::string text) {
    co_await asio::async_write(socket, asio::buffer(text), asio::use_awaitable);
}

// All that comes until the server closes.
Task<std::string> read_all(Local::socket& socket) {
    std::string text;
    char piece[4096];
    while (true) {
        auto [error, size] = co_await socket.async_read_some(asio::buffer(piece), as_tuple);
        if (error) break;
        text.append(piece, size);
    }
    co_return text;
}

std::string error_code(const boost::json::value& body) {
    return std::string(body.at("error").at("code").as_string());
}

std::size_t open_descriptors() {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry :
         std::filesystem::directory_iterator("/proc/self/fd")) {
        ++count;
    }
    return count;
}

}  // namespace

TEST_CASE("the socket is closed to others and so is its directory") {
    with_api([](ApiFixture& api) -> Task<void> {
        struct stat info{};
        REQUIRE(::stat(api.paths.socket().c_str(), &info) == 0);
        CHECK((info.st_mode & 0777) == 0600);
        REQUIRE(::stat(api.paths.runtime.c_str(), &info) == 0);
        CHECK((info.st_mode & 0777) == 0700);
        co_return;
    });
}

TEST_CASE("a stale socket is replaced, a live one and a file are not") {
    TempDir directory;
    const auto path = directory / "run/bangerd.sock";
    {
        const auto gone = api::listen_at(path);
    }
    const auto live = api::listen_at(path);
    CHECK_THROWS_WITH(api::listen_at(path), ContainsSubstring("answers"));
    const auto file = directory / "run/file";
    REQUIRE(UniqueFd(::creat(file.c_str(), 0600)));
    CHECK_THROWS_WITH(api::listen_at(file), ContainsSubstring("in the way"));
    CHECK(std::filesystem::exists(file));
}

TEST_CASE("a runtime directory that is open to others is refused") {
    TempDir directory;
    const auto open = directory / "open";
    std::filesystem::create_directory(open);
    REQUIRE(::chmod(open.c_str(), 0755) == 0);
    CHECK_THROWS_WITH(api::listen_at(open + "/bangerd.sock"), ContainsSubstring("chmod 700"));
}

TEST_CASE("what does not exist, a wrong method and bad JSON are errors with a body") {
    with_api([](ApiFixture& api) -> Task<void> {
        auto answer = co_await api.ask("GET", "/v1/nothing");
        CHECK(answer.status == 404);
        CHECK(error_code(answer.body) == "not_found");
        answer = co_await api.ask("PUT", "/v1/vms");
        CHECK(answer.status == 405);
        CHECK(error_code(answer.body) == "unsupported");
        answer = co_await api.ask("POST", "/v1/vms", "{\"name\":");
        CHECK(answer.status == 400);
        CHECK(error_code(answer.body) == "invalid_argument");
        answer = co_await api.ask("POST", "/v1/vms", "{\"vcpu\":\"two\"}");
        CHECK(answer.status == 400);
        CHECK(answer.body.at("error").at("message").as_string() == "vcpu: expected an integer");
        answer = co_await api.ask("GET", "/v1/vms/nobody");
        CHECK(answer.status == 404);
        CHECK(answer.body.at("error").at("message").as_string() == "no VM named 'nobody'");
    });
}

TEST_CASE("405 names the methods that are allowed") {
    with_api([](ApiFixture& api) -> Task<void> {
        const auto result = co_await api.curl({"-i", "-X", "PATCH", "/v1/vms"});
        CHECK_THAT(result.out, ContainsSubstring("Allow: GET, POST"));
    });
}

TEST_CASE("a big header is answered with 431") {
    with_api([](ApiFixture& api) -> Task<void> {
        const auto result = co_await api.curl("-w", "%{http_code}", "-H",
                                              "X-Big: " + std::string(70000, 'x'), "/v1/version");
        CHECK_THAT(result.out,
                   ContainsSubstring("65536 bytes") && Catch::Matchers::EndsWith("431"));
    });
}

TEST_CASE("a big body is answered with 413, announced or not") {
    with_api([](ApiFixture& api) -> Task<void> {
        const auto file = api.directory / "big";
        std::filesystem::resize_file((UniqueFd(::creat(file.c_str(), 0600)), file), 3 << 20);
        auto result = co_await api.curl("-w", "%{http_code}", "-H", "Expect:", "--data-binary",
                                        "@" + file, "/v1/vms");
        CHECK_THAT(result.out, Catch::Matchers::EndsWith("413"));
        result = co_await api.curl("-w", "%{http_code}", "-H", "Transfer-Encoding: chunked", "-H",
                                   "Expect:", "--data-binary", "@" + file, "/v1/vms");
        CHECK_THAT(result.out, Catch::Matchers::EndsWith("413"));
        result = co_await api.curl("-w", "%{http_code}", "--data-binary", "@" + file, "/v1/vms");
        CHECK_THAT(result.out, Catch::Matchers::EndsWith("413"));
    });
}

TEST_CASE("a body of one mebibyte comes through, also after 100-continue") {
    with_api([](ApiFixture& api) -> Task<void> {
        const std::string json = "{\"name\":\"box\",\"x\":\"";
        const auto file = api.directory / "fits";
        write_file_atomically(file, json + std::string((1 << 20) - json.size() - 2, 'x') + "\"}");
        const auto result = co_await api.curl("-w", "%{http_code}", "-H", "Expect: 100-continue",
                                              "--data-binary", "@" + file, "/v1/vms");
        CHECK_THAT(result.out, Catch::Matchers::EndsWith("202"));
    });
}

TEST_CASE("what is no HTTP is answered with 400") {
    with_api([](ApiFixture& api) -> Task<void> {
        auto socket = co_await connect(api);
        co_await send(socket, "\x16\x03\x01 hello\r\n\r\n");
        const auto text = co_await read_all(socket);
        CHECK_THAT(text, Catch::Matchers::StartsWith("HTTP/1.1 400"));
    });
}

TEST_CASE("a header that does not end is closed in time") {
    const api::ServerLimits limits{.header_time = 100ms};
    with_api(
        [](ApiFixture& api) -> Task<void> {
            auto socket = co_await connect(api);
            co_await send(socket, "GET /v1/version HTTP/1.1\r\nX-Slow: ");
            const auto start = std::chrono::steady_clock::now();
            CHECK((co_await read_all(socket)).empty());
            const auto took = std::chrono::steady_clock::now() - start;
            CHECK(took >= 90ms);
            CHECK(took < 5s);
        },
        limits);
}

TEST_CASE("an idle connection is closed in time, a used one is kept") {
    const api::ServerLimits limits{.idle_time = 200ms};
    with_api(
        [](ApiFixture& api) -> Task<void> {
            auto socket = co_await connect(api);
            const std::string request = "GET /v1/version HTTP/1.1\r\nHost: banger\r\n\r\n";
            co_await send(socket, request);
            co_await sleep_for(100ms);
            co_await send(socket, request + request);
            const auto text = co_await read_all(socket);
            std::size_t answers = 0;
            for (auto at = text.find("HTTP/1.1 200"); at != std::string::npos;
                 at = text.find("HTTP/1.1 200", at + 1)) {
                ++answers;
            }
            CHECK(answers == 3);
        },
        limits);
}

TEST_CASE("a client that has only finished sending still gets its answer") {
    with_api([](ApiFixture& api) -> Task<void> {
        auto socket = co_await connect(api);
        co_await send(socket, "GET /v1/vms HTTP/1.0\r\n\r\n");
        socket.shutdown(Local::socket::shutdown_send);
        const auto text = co_await read_all(socket);
        CHECK_THAT(
            text, Catch::Matchers::StartsWith("HTTP/1.0 200") && Catch::Matchers::EndsWith("[]\n"));
    });
}

TEST_CASE("a reader that goes away ends its request, a writer's runs to its end") {
    with_api([](ApiFixture& api) -> Task<void> {
        api.vms.list_hangs = true;
        {
            auto socket = co_await connect(api);
            co_await send(socket, "GET /v1/vms HTTP/1.1\r\nHost: banger\r\n\r\n");
            co_await sleep_for(50ms);
            CHECK(api.vms.lists_cancelled == 0);
        }
        for (int i = 0; i < 100 && api.vms.lists_cancelled == 0; ++i)
            co_await sleep_for(10ms);
        CHECK(api.vms.lists_cancelled == 1);
    });
}

TEST_CASE("of 300 connections 256 are served and the others are told why not") {
    const api::ServerLimits limits{.idle_time = 10s, .stop_time = 100ms};
    with_api(
        [](ApiFixture& api) -> Task<void> {
            std::vector<Local::socket> sockets;
            for (int i = 0; i < 300; ++i)
                sockets.push_back(co_await connect(api));
            const std::string request = "GET /v1/version HTTP/1.1\r\nHost: banger\r\n\r\n";
            int served = 0;
            int refused = 0;
            for (auto& socket : sockets) {
                co_await send(socket, request);
                char head[12];
                co_await asio::async_read(socket, asio::buffer(head), asio::use_awaitable);
                const std::string_view status(head + 9, 3);
                served += status == "200" ? 1 : 0;
                refused += status == "503" ? 1 : 0;
            }
            CHECK(served == 256);
            CHECK(refused == 44);
            sockets.clear();
            for (int i = 0; i < 100 && api.server.connections() > 0; ++i)
                co_await sleep_for(10ms);
            CHECK(api.server.connections() == 0);
            CHECK((co_await api.ask("GET", "/v1/version")).status == 200);
        },
        limits);
}

TEST_CASE("stopping closes idle connections at once and lets a request finish") {
    with_api([](ApiFixture& api) -> Task<void> {
        auto idle = co_await connect(api);
        co_await sleep_for(20ms);
        const auto start = std::chrono::steady_clock::now();
        api.server.stop();
        CHECK((co_await read_all(idle)).empty());
        CHECK(std::chrono::steady_clock::now() - start < 1s);
    });
}

TEST_CASE("no descriptor is left after many connections") {
    const auto before = open_descriptors();
    for (int round = 0; round < 3; ++round) {
        with_api([](ApiFixture& api) -> Task<void> {
            for (int i = 0; i < 50; ++i) {
                auto socket = co_await connect(api);
                co_await send(socket, "GET /v1/vms HTTP/1.1\r\nHost: banger\r\n\r\n");
                if (i % 2 == 0) continue;
                char head[12];
                co_await asio::async_read(socket, asio::buffer(head), asio::use_awaitable);
            }
            CHECK((co_await api.ask("GET", "/v1/version")).status == 200);
        });
    }
    CHECK(open_descriptors() == before);
}
