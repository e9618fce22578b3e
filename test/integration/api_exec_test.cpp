#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <optional>

#include "pipelines/io/error.hpp"
#include "pipelines/io/wait.hpp"
#include "pipelines/io/websocket.hpp"
#include "test/integration/api_fixture.hpp"
#include "test/support/catch.hpp"

using namespace banger;
using namespace banger::test;
using namespace std::chrono_literals;

namespace {

namespace asio = boost::asio;
using Local = asio::local::stream_protocol;

constexpr char kProtocol[] = "v5.channel.k8s.io";

Task<void> make_box(ApiFixture& api) {
    co_await api.ask("POST", "/v1/vms", R"({"name":"box"})");
    co_await sleep_for(10ms);
}

Task<std::unique_ptr<WebSocket>> connect(ApiFixture& api, std::string query,
                                         std::string protocol = kProtocol) {
    WebSocketRequest request{.unix_socket = api.paths.socket(),
                             .target = "/v1/vms/box/exec?" + query,
                             .subprotocol = std::move(protocol)};
    co_return co_await connect_websocket(co_await asio::this_coro::executor, std::move(request));
}

Task<void> send(WebSocket& socket, unsigned char channel, std::string text) {
    text.insert(text.begin(), static_cast<char>(channel));
    co_await socket.send(std::as_bytes(std::span(text)));
}

/// All that came on each channel, until the server closed.
struct Received {
    std::string out;
    std::string error;
    boost::json::value status;
    int statuses = 0;
};

Task<Received> receive_all(WebSocket& socket) {
    Received all;
    while (const auto message = co_await socket.receive()) {
        const std::string_view text(reinterpret_cast<const char*>(message->data()),
                                    message->size());
        if (text[0] == 1) all.out += text.substr(1);
        if (text[0] == 2) all.error += text.substr(1);
        if (text[0] != 3) continue;
        all.status = parse_json(text.substr(1), "the status");
        ++all.statuses;
    }
    co_return all;
}

std::string text_of(const boost::json::value& value, std::string_view key) {
    return std::string(value.at(key).as_string());
}

Task<std::optional<Errc>> refusal(ApiFixture& api, std::string query,
                                  std::string protocol = kProtocol) {
    try {
        co_await connect(api, std::move(query), std::move(protocol));
    } catch (const Error& error) {
        co_return error.code();
    }
    co_return std::nullopt;
}

Task<void> wait_destroyed(ApiFixture& api, int count) {
    for (int i = 0; i < 200 && api.vms.processes.destroyed < count; ++i)
        co_await sleep_for(10ms);
    CHECK(api.vms.processes.destroyed == count);
}

Task<void> send_much(WebSocket& socket, std::size_t pieces, std::size_t size) {
    for (std::size_t i = 0; i < pieces; ++i) {
        co_await send(socket, 0, std::string(size, static_cast<char>('a' + i % 26)));
    }
    co_await send(socket, 255, std::string(1, '\0'));
}

}  // namespace

TEST_CASE("a WebSocket exec brings both outputs and the exit status") {
    with_api([](ApiFixture& api) -> Task<void> {
        co_await make_box(api);
        auto socket = co_await connect(api, "command=both&stdout=true&stderr=true");
        auto all = co_await receive_all(*socket);
        CHECK(all.out == "to out\n");
        CHECK(all.error == "to err\n");
        CHECK(all.statuses == 1);
        CHECK(text_of(all.status, "status") == "Success");
        socket = co_await connect(api, "command=exit&command=42&stdout=true");
        all = co_await receive_all(*socket);
        CHECK(text_of(all.status, "status") == "Failure");
        CHECK(text_of(all.status.at("details").at("causes").at(0), "message") == "42");
        co_await wait_destroyed(api, 2);
    });
}

TEST_CASE("query parameters become the exec request") {
    with_api([](ApiFixture& api) -> Task<void> {
        co_await make_box(api);
        const auto socket = co_await connect(
            api,
            "command=exit&command=0&command=a+b&env=A%3D1&env=B=2&cwd=/tmp&user=nobody&tty=true"
            "&stdin=true&stdout=true&width=100&height=40");
        co_await receive_all(*socket);
        const auto& seen = api.vms.last_exec;
        CHECK(seen.command == std::vector<std::string>{"exit", "0", "a b"});
        CHECK(seen.env == std::vector<std::string>{"A=1", "B=2"});
        CHECK(seen.cwd == "/tmp");
        CHECK(seen.user == "nobody");
        CHECK(seen.tty);
        CHECK(seen.stdin);
        CHECK(seen.width == 100);
        CHECK(seen.height == 40);
    });
}

TEST_CASE("output that was not asked for is not sent") {
    with_api([](ApiFixture& api) -> Task<void> {
        co_await make_box(api);
        const auto socket = co_await connect(api, "command=both&stderr=true");
        const auto all = co_await receive_all(*socket);
        CHECK(all.out.empty());
        CHECK(all.error == "to err\n");
    });
}

TEST_CASE("sixteen mebibytes go in and come out unchanged, never piled up") {
    with_api([](ApiFixture& api) -> Task<void> {
        co_await make_box(api);
        const auto socket = co_await connect(api, "command=cat&stdin=true&stdout=true");
        constexpr std::size_t kPieces = 256;
        constexpr std::size_t kSize = 64 * 1024;
        auto [nothing, all] =
            co_await when_all(send_much(*socket, kPieces, kSize), receive_all(*socket));
        REQUIRE(all.out.size() == kPieces * kSize);
        bool same = true;
        for (std::size_t i = 0; i < kPieces; ++i) {
            same = same && all.out.find_first_not_of(static_cast<char>('a' + i % 26), i * kSize) >=
                               (i + 1) * kSize;
        }
        CHECK(same);
        CHECK(text_of(all.status, "status") == "Success");
        CHECK(api.vms.processes.most_unread <= 2 * kSize);
    });
}

TEST_CASE("signals and sizes reach the process") {
    with_api([](ApiFixture& api) -> Task<void> {
        co_await make_box(api);
        const auto socket = co_await connect(api, "command=wait&tty=true&stdin=true&stdout=true");
        co_await send(*socket, 4, R"({"Width":120,"Height":50})");
        co_await send(*socket, 5, R"({"signal":15})");
        const auto all = co_await receive_all(*socket);
        CHECK(api.vms.processes.sizes == std::vector<std::pair<int, int>>{{120, 50}});
        CHECK(api.vms.processes.signals == std::vector<int>{15});
        CHECK(text_of(all.status.at("details").at("causes").at(0), "message") == "143");
    });
}

TEST_CASE(
    "what a process cannot take is dropped, and it still hears signals and gives its status") {
    with_api([](ApiFixture& api) -> Task<void> {
        co_await make_box(api);
        const auto socket = co_await connect(api, "command=deaf&stdin=true&stdout=true");
        co_await send(*socket, 0, "lost");
        co_await send(*socket, 4, R"({"Width":1,"Height":1})");
        co_await send(*socket, 0, "lost");
        co_await send(*socket, 5, R"({"signal":2})");
        const auto all = co_await receive_all(*socket);
        CHECK(text_of(all.status.at("details").at("causes").at(0), "message") == "130");
    });
}

TEST_CASE("a VM that goes away is a failure with a reason") {
    with_api([](ApiFixture& api) -> Task<void> {
        co_await make_box(api);
        const auto socket = co_await connect(api, "command=vanish&stdout=true");
        const auto all = co_await receive_all(*socket);
        CHECK(text_of(all.status, "status") == "Failure");
        CHECK(text_of(all.status, "reason") == "unavailable");
        CHECK(text_of(all.status, "message") == "the VM went away");
        CHECK(!all.status.as_object().contains("details"));
    });
}

TEST_CASE("a client that goes away ends its process") {
    with_api([](ApiFixture& api) -> Task<void> {
        co_await make_box(api);
        {
            const auto socket = co_await connect(api, "command=wait&stdin=true&stdout=true");
        }
        co_await wait_destroyed(api, 1);
        {
            const auto socket = co_await connect(api, "command=wait&stdin=true&stdout=true");
            co_await race(socket->close(), receive_all(*socket));
        }
        co_await wait_destroyed(api, 2);
        {
            const auto socket = co_await connect(api, "command=spam&stdout=true");
        }
        co_await wait_destroyed(api, 3);
    });
}

TEST_CASE("a message that is none of the protocol's ends the exec") {
    with_api([](ApiFixture& api) -> Task<void> {
        co_await make_box(api);
        const auto message = std::string("\x04{\"Width\":");
        const auto socket = co_await connect(api, "command=wait&stdout=true");
        co_await socket->send(std::as_bytes(std::span(message)));
        co_await receive_all(*socket);
        co_await wait_destroyed(api, 1);
    });
}

TEST_CASE("what is wrong before the upgrade is an HTTP error") {
    with_api([](ApiFixture& api) -> Task<void> {
        CHECK(co_await refusal(api, "command=cat") == Errc::not_found);
        co_await make_box(api);
        CHECK(co_await refusal(api, "stdin=true") == Errc::invalid_argument);
        CHECK(co_await refusal(api, "command=cat&tty=maybe") == Errc::invalid_argument);
        CHECK(co_await refusal(api, "command=cat&width=70000") == Errc::invalid_argument);
        CHECK(co_await refusal(api, "command=cat", "v4.channel.k8s.io") == Errc::unsupported);
        const auto plain = co_await api.ask("GET", "/v1/vms/box/exec?command=cat");
        CHECK(plain.status == 422);
        CHECK(api.vms.processes.started == 0);
    });
}

TEST_CASE("curl gets an exec as lines of JSON") {
    with_api([](ApiFixture& api) -> Task<void> {
        co_await make_box(api);
        auto result = co_await api.curl({"-d", R"({"command":["both"]})", "/v1/vms/box/exec"});
        CHECK(result.out ==
              "{\"standard_out\":\"to out\\n\"}\n{\"standard_error\":\"to err\\n\"}\n"
              "{\"exit_code\":0}\n");
        result = co_await api.curl({"-d", R"({"command":["bytes"]})", "/v1/vms/box/exec"});
        CHECK(result.out ==
              "{\"standard_out_base64\":\"//4=\"}\n{\"standard_out\":\"\xc3\xa4\\n\"}\n"
              "{\"exit_code\":0}\n");
        result = co_await api.curl(
            {"-d", R"({"command":["cat"],"input":"through\n"})", "/v1/vms/box/exec"});
        CHECK(result.out == "{\"standard_out\":\"through\\n\"}\n{\"exit_code\":0}\n");
        result = co_await api.curl({"-d", R"({"command":["vanish"]})", "/v1/vms/box/exec"});
        CHECK(result.out ==
              "{\"error\":{\"code\":\"unavailable\",\"message\":\"the VM went away\"}}\n");
        const auto bad = co_await api.ask("POST", "/v1/vms/box/exec", R"({"command":[]})");
        CHECK(bad.status == 400);
    });
}

TEST_CASE("a curl that goes away ends its process, one that pauses slows it") {
    with_api([](ApiFixture& api) -> Task<void> {
        co_await make_box(api);
        const auto gone = co_await api.curl({"--max-time", "0.2", "-o", "/dev/null", "-d",
                                             R"({"command":["spam"]})", "/v1/vms/box/exec"});
        CHECK(gone.status.code == 28);
        co_await wait_destroyed(api, 1);

        api.vms.processes.written = 0;
        Local::socket socket(co_await asio::this_coro::executor);
        co_await socket.async_connect(Local::endpoint(api.paths.socket()), asio::use_awaitable);
        const std::string body = R"({"command":["spam"]})";
        const std::string request =
            "POST /v1/vms/box/exec HTTP/1.1\r\nHost: banger\r\nContent-Length: " +
            std::to_string(body.size()) + "\r\n\r\n" + body;
        co_await asio::async_write(socket, asio::buffer(request), asio::use_awaitable);
        co_await sleep_for(200ms);
        const auto written = api.vms.processes.written;
        CHECK(written > 0);
        CHECK(written < 4 * 1024 * 1024);
        co_await sleep_for(100ms);
        CHECK(api.vms.processes.written == written);
        socket.close();
        co_await wait_destroyed(api, 2);
    });
}
