#include "pipelines/io/websocket.hpp"

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/json.hpp>

#include "pipelines/io/json.hpp"
#include "pipelines/io/local_endpoint.hpp"
#include "pipelines/io/websocket_impl.hpp"

namespace banger {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;

namespace wire {

struct ErrorBody {
    std::string code;
    std::string message;
};
BOOST_DESCRIBE_STRUCT(ErrorBody, (), (code, message))

struct ErrorAnswer {
    ErrorBody error;
};
BOOST_DESCRIBE_STRUCT(ErrorAnswer, (), (error))

}  // namespace wire

namespace {

using LocalSocket = asio::basic_stream_socket<asio::local::stream_protocol, asio::any_io_executor>;
using Adapter = BeastWebSocket<LocalSocket>;

[[noreturn]] void fail_as_server_said(const websocket::response_type& response) {
    wire::ErrorAnswer answer;
    try {
        answer = from_json<wire::ErrorAnswer>(parse_json(response.body(), "the answer"));
    } catch (const Error&) {
        // Not our server's way of saying it: the status is all there is.
    }
    if (!answer.error.message.empty()) {
        fail(errc_from_string(answer.error.code), "{}", answer.error.message);
    }
    fail(Errc::unavailable, "the server refused a WebSocket with status {}", response.result_int());
}

Task<LocalSocket> connect(asio::any_io_executor executor, std::string path) {
    LocalSocket socket(std::move(executor));
    auto [error] = co_await socket.async_connect(local_endpoint(path), as_tuple);
    if (error == asio::error::operation_aborted) throw_cancelled();
    if (error) fail(Errc::unavailable, "cannot connect to {}: {}", path, error.message());
    co_return socket;
}

}  // namespace

Task<std::unique_ptr<WebSocket>> connect_websocket(asio::any_io_executor executor,
                                                   WebSocketRequest request) {
    auto socket = co_await connect(std::move(executor), request.unix_socket);
    Adapter::Stream stream(std::move(socket));
    Adapter::configure(stream);
    auto timeout = websocket::stream_base::timeout::suggested(beast::role_type::client);
    timeout.idle_timeout = websocket::stream_base::none();
    stream.set_option(timeout);
    stream.set_option(websocket::stream_base::decorator([&](websocket::request_type& message) {
        message.set(http::field::user_agent, "banger");
        if (!request.subprotocol.empty()) {
            message.set(http::field::sec_websocket_protocol, request.subprotocol);
        }
    }));

    websocket::response_type response;
    auto [error] = co_await stream.async_handshake(response, "banger", request.target, as_tuple);
    if (error == asio::error::operation_aborted) throw_cancelled();
    if (error == websocket::error::upgrade_declined) fail_as_server_said(response);
    if (error) {
        fail(Errc::unavailable, "no WebSocket from {}: {}", request.unix_socket, error.message());
    }
    if (response[http::field::sec_websocket_protocol] != request.subprotocol) {
        fail(Errc::unsupported, "the server does not speak {}", request.subprotocol);
    }
    co_return std::make_unique<Adapter>(std::move(stream));
}

}  // namespace banger
