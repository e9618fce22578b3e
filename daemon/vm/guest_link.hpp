#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "daemon/vm/agent_client.hpp"
#include "daemon/vm/pace.hpp"
#include "pipelines/io/notifier.hpp"

namespace banger::vm {

/// The daemon's end of the way to one guest: the listener <vm>/vsock.sock_1024, bound when this is
/// made, and the agent that said hello there last. A new connection (QEMU's after a restart of the
/// daemon, the guest's after a restart of the agent) takes the place of the old one, whose streams
/// then fail. A guest that dials, or talks without ever saying hello, as fast as it can is slowed
/// down: it is given a connection each quarter of a second, and is read a megabyte a second.
class GuestLink {
  public:
    /// A socket file left by an earlier daemon is replaced. `peer` begins the agent's messages.
    GuestLink(boost::asio::any_io_executor executor, const std::string& socket_path,
              std::string peer, KeepAlive keep_alive = {});

    /// Accepts and serves until cancelled.
    Task<void> run();
    /// The agent that is connected; null while none is.
    std::shared_ptr<AgentClient> agent() const;
    /// The connected agent, waiting for one if there is none. Throws Error{unsupported} when one
    /// said hello in a protocol that is not ours.
    Task<std::shared_ptr<AgentClient>> wait_agent();
    /// The guest's processors stand still, or run again: an agent that says nothing meanwhile is
    /// not taken for gone.
    void hold(bool still);
    /// Called on the loop at each hello, first thing.
    std::function<void(const Hello&)> on_hello;

  private:
    using Socket = boost::asio::local::stream_protocol::socket;
    Task<void> accept_next();
    void take_newest();
    Task<void> serve(Socket socket);

    boost::asio::local::stream_protocol::acceptor acceptor_;
    std::string peer_;
    KeepAlive keep_alive_;
    bool still_ = false;
    std::optional<Socket> next_;
    std::shared_ptr<AgentClient> agent_;
    std::exception_ptr refusal_;
    Notifier changed_;
    Pace connections_{16, std::chrono::milliseconds(250)};
};

}  // namespace banger::vm
