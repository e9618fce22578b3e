#pragma once

#include <boost/asio/local/stream_protocol.hpp>
#include <memory>
#include <string>

#include "daemon/vm/http2_stream.hpp"
#include "pipelines/io/task.hpp"

namespace banger::vm {

/// The client's side of one HTTP/2 connection (RFC 9113, prior knowledge) by libnghttp2: to a
/// guest's agent. Used on the loop's thread only.
class Http2Session {
  public:
    using Socket = boost::asio::local::stream_protocol::socket;

    /// `received` came from the socket already. `peer` begins the messages: "vm 'box'".
    Http2Session(Socket socket, std::string received, std::string peer);
    ~Http2Session();
    Http2Session(const Http2Session&) = delete;

    /// Serves the connection until it is gone. However it ends, also when cancelled, every stream
    /// then fails.
    Task<void> run();
    bool alive() const;
    /// Starts a request; its body follows by write() and finish(). Throws Error{unavailable} when
    /// the connection is gone.
    Http2Stream open(const std::string& method, const std::string& path);

  private:
    std::shared_ptr<Http2State> state_;
};

}  // namespace banger::vm
