#include "pipelines/io/websocket.hpp"

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/beast/http.hpp>

#include "pipelines/io/http_client.hpp"
#include "pipelines/io/websocket_impl.hpp"
#include "test/support/catch.hpp"
#include "test/support/run_task.hpp"
#include "test/support/temp_dir.hpp"

using namespace banger;
using namespace std::chrono_literals;
using namespace banger::test;
namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::local::stream_protocol;

namespace {

using Request = http::request<http::string_body>;
using ServerSocket = BeastWebSocket<stream_protocol::socket>;
using Serve = Task<void> (*)(stream_protocol::socket, Request);
using Use = Task<void> (*)(std::string path);

/// Takes one connection on a Unix socket, reads the request, and hands both to `serve`.
Task<void> accept_one(stream_protocol::acceptor& acceptor, Serve serve) {
    auto socket = co_await acceptor.async_accept(asio::use_awaitable);
    boost::beast::flat_buffer buffer;
    Request request;
    co_await http::async_read(socket, buffer, request, asio::use_awaitable);
    co_await serve(std::move(socket), std::move(request));
}

Task<void> against(Serve serve, Use use) {
    TempDir dir;
    const auto path = dir / "socket";
    stream_protocol::acceptor acceptor(co_await asio::this_coro::executor, path);
    co_await when_all(accept_one(acceptor, serve), use(path));
}

Task<void> answer(stream_protocol::socket& socket, http::status status, std::string body) {
    http::response<http::string_body> response(status, 11);
    response.body() = std::move(body);
    response.prepare_payload();
    co_await http::async_write(socket, response, asio::use_awaitable);
}

/// Sends every message back until the client closes.
Task<void> echo(stream_protocol::socket socket, Request request) {
    ServerSocket::Stream stream(std::move(socket));
    stream.set_option(boost::beast::websocket::stream_base::decorator(
        [](auto& response) { response.set(http::field::sec_websocket_protocol, "test.v1"); }));
    co_await stream.async_accept(request, asio::use_awaitable);
    ServerSocket server(std::move(stream));
    while (auto message = co_await server.receive())
        co_await server.send(*message);
}

Task<std::unique_ptr<WebSocket>> connect(std::string path, std::string subprotocol = "test.v1") {
    WebSocketRequest request{path, "/v1/exec?x=1", std::move(subprotocol)};
    co_return co_await connect_websocket(co_await asio::this_coro::executor, std::move(request));
}

Task<void> only_connect(std::string path) {
    co_await connect(std::move(path));
}

std::vector<std::byte> bytes_of(std::size_t size) {
    std::vector<std::byte> bytes(size);
    for (std::size_t i = 0; i < size; ++i)
        bytes[i] = static_cast<std::byte>(i * 7);
    return bytes;
}

}  // namespace

TEST_CASE("messages of any size come back as they were") {
    Use client = [](std::string path) -> Task<void> {
        auto socket = co_await connect(path);
        for (const std::size_t size : {0u, 1u, 125u, 126u, 70'000u, 3'000'000u}) {
            const auto sent = bytes_of(size);
            const auto receive = [](WebSocket& from) -> Task<std::vector<std::byte>> {
                co_return (co_await from.receive()).value();
            };
            auto [done, received] = co_await when_all(socket->send(sent), receive(*socket));
            CHECK(received == sent);
        }
        co_await socket->close();
    };

    run_task(against(echo, client));
}

TEST_CASE("receive tells that the peer has closed") {
    Serve close = [](stream_protocol::socket socket, Request request) -> Task<void> {
        ServerSocket::Stream stream(std::move(socket));
        co_await stream.async_accept(request, asio::use_awaitable);
        ServerSocket server(std::move(stream));
        co_await server.close();
    };
    Use client = [](std::string path) -> Task<void> {
        auto socket = co_await connect(path, "");
        CHECK_FALSE((co_await socket->receive()).has_value());
    };

    run_task(against(close, client));
}

TEST_CASE("receive tells that the peer has gone without a word") {
    Serve vanish = [](stream_protocol::socket socket, Request request) -> Task<void> {
        ServerSocket::Stream stream(std::move(socket));
        co_await stream.async_accept(request, asio::use_awaitable);
    };
    Use client = [](std::string path) -> Task<void> {
        auto socket = co_await connect(path, "");
        CHECK_FALSE((co_await socket->receive()).has_value());
    };

    run_task(against(vanish, client));
}

TEST_CASE("the server's error is the client's") {
    Serve refuse = [](stream_protocol::socket socket, Request) -> Task<void> {
        co_await answer(
            socket, http::status::not_found,
            R"({"error":{"code":"not_found","message":"no VM named 'x'","op_id":"7"}})");
    };

    try {
        run_task(against(refuse, only_connect));
        FAIL("no exception");
    } catch (const Error& e) {
        CHECK(e.code() == Errc::not_found);
        CHECK(std::string(e.what()) == "no VM named 'x'");
    }
}

TEST_CASE("a refusal without our error object tells its status") {
    Serve refuse = [](stream_protocol::socket socket, Request) -> Task<void> {
        co_await answer(socket, http::status::bad_gateway, "<html>");
    };

    CHECK_THROWS_WITH(run_task(against(refuse, only_connect)),
                      "the server refused a WebSocket with status 502");
}

TEST_CASE("a server that does not take up the subprotocol is refused") {
    Use client = [](std::string path) -> Task<void> { co_await connect(path, "other.v9"); };

    CHECK_THROWS_WITH(run_task(against(echo, client)), "the server does not speak other.v9");
}

TEST_CASE("no server at the socket is one clear sentence") {
    CHECK_THROWS_WITH(run_task(only_connect("/no/such/socket")),
                      "cannot connect to /no/such/socket: No such file or directory");
    CHECK_THROWS_WITH(run_task(only_connect("/" + std::string(200, 'x'))),
                      Catch::Matchers::EndsWith("is longer than 107 bytes"));
}

TEST_CASE("cancelling receive ends it") {
    Use client = [](std::string path) -> Task<void> {
        auto socket = co_await connect(path);
        auto ended = co_await race(socket->receive(), sleep_for(10ms));
        CHECK(ended.index() == 1);
    };

    run_task(against(echo, client));
}

TEST_CASE("the HTTP client speaks through a Unix socket") {
    Serve greet = [](stream_protocol::socket socket, Request request) -> Task<void> {
        CHECK(request[http::field::host] == "banger");
        CHECK(request.target() == "/v1/vms");
        co_await answer(socket, http::status::ok, "[]");
    };
    Use client = [](std::string path) -> Task<void> {
        HttpClient http_client(co_await asio::this_coro::executor, {.unix_socket = path});
        auto response = co_await http_client.send({.url = "http://banger/v1/vms"});
        CHECK(co_await response->read_all(100) == "[]");
    };

    run_task(against(greet, client));
}
