#pragma once

#include <boost/asio/local/stream_protocol.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "daemon/vm/http2_stream.hpp"
#include "pipelines/io/task.hpp"

namespace banger::vm {

/// When a peer that says nothing is taken for gone.
struct KeepAlive {
    std::chrono::steady_clock::duration look = std::chrono::seconds(5);
    /// Looks in a row, after the ping, at which nothing has come. Counted, not timed: a daemon that
    /// stood still itself has looked once.
    int silent_looks = 6;
};

/// The client's side of one HTTP/2 connection (RFC 9113, prior knowledge) by libnghttp2: to a
/// guest's agent. Used on the loop's thread only.
class Http2Session {
  public:
    using Socket = boost::asio::local::stream_protocol::socket;

    /// `received` came from the socket already. `peer` begins the messages: "vm 'box'".
    Http2Session(Socket socket, std::string received, std::string peer, KeepAlive keep_alive = {});
    ~Http2Session();
    Http2Session(const Http2Session&) = delete;

    /// Serves the connection until it is gone, or the peer does not answer a ping though streams
    /// are open. However it ends, also when cancelled, every stream then fails.
    Task<void> run();
    /// A peer that stands still is not asked whether it is there.
    void hold(bool still);
    bool alive() const;
    /// Starts a request; its body follows by write() and finish(). Throws Error{unavailable} when
    /// the connection is gone.
    Http2Stream open(const std::string& method, const std::string& path);

  private:
    std::shared_ptr<Http2State> state_;
    KeepAlive keep_alive_;
};

}  // namespace banger::vm
