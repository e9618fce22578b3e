#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pipelines/io/task.hpp"

namespace banger {

/// Binary WebSocket messages (RFC 6455), whoever upgraded the connection. One reader and one writer
/// at a time. The client side is connect_websocket; the server side is made by daemon/api/server.
class WebSocket {
  public:
    virtual ~WebSocket() = default;
    /// The next message; nullopt when the peer has closed.
    virtual Task<std::optional<std::vector<std::byte>>> receive() = 0;
    virtual Task<void> send(std::span<const std::byte> message) = 0;
    virtual Task<void> close() = 0;
};

struct WebSocketRequest {
    std::string unix_socket;
    std::string target;       ///< path and query
    std::string subprotocol;  ///< offered; the server must accept it
};

/// Throws the server's Error ({"error":{code,message}}) when it answers with a status instead.
Task<std::unique_ptr<WebSocket>> connect_websocket(boost::asio::any_io_executor executor,
                                                   WebSocketRequest request);

}  // namespace banger
