#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "daemon/net/guest_connection.hpp"
#include "pipelines/io/notifier.hpp"
#include "pipelines/io/task.hpp"
#include "pipelines/io/task_group.hpp"

namespace banger::net {

/// Where the host listens.
struct HostPort {
    std::string address;  ///< "127.64.0.1", "::1"
    std::uint16_t port = 0;
    auto operator<=>(const HostPort&) const = default;
};

/// "127.64.0.1:8080", "[::1]:8080".
std::string to_string(const HostPort& at);

struct ForwardLimits {
    /// Of one VM, over all its ports: half of what its agent takes, so that commands still run.
    std::size_t connections = 128;
    std::chrono::steady_clock::duration dial{std::chrono::seconds(10)};
};

/// The ports of one VM that the host listens on. Each connection becomes one of the guest's, with
/// either direction shut by itself; what goes wrong on one side is a reset on the other. Beyond the
/// limit, connections are reset at once; those that come another way (connect) count as well.
class PortForwards {
  public:
    PortForwards(boost::asio::any_io_executor executor, ForwardLimits limits, Dial dial);
    ~PortForwards();

    /// Listens from now on; who connects before run() waits. Throws Error{conflict} when the port
    /// is in use, Error{unauthorized} when this user may not have it, Error{invalid_argument} for
    /// an address that is not the host's, Error{unavailable} after close().
    void open(const HostPort& at, std::uint16_t guest_port);
    /// Listens no more; connections that stand go on. False when it was not open.
    bool close(const HostPort& at);
    /// The VM has ended: all its ports are free when this returns, and none can be opened again.
    void close();
    /// Each with its port of the guest.
    std::map<HostPort, std::uint16_t> ports() const;

    /// A connection that came by no port of the host. It may outlive this. Throws
    /// Error{unavailable} when the VM has as many as it may, or what dialling throws.
    Task<std::unique_ptr<GuestConnection>> connect(std::uint16_t guest_port);

    /// Serves until cancelled. Whoever owns this awaits its end before destroying it.
    Task<void> run();

  private:
    using Tcp = boost::asio::ip::tcp;
    struct Forward;

    Task<void> keep_open();
    Task<void> accept(std::shared_ptr<Forward> forward);
    Task<void> serve(Tcp::socket socket, std::uint16_t guest_port);

    boost::asio::any_io_executor executor_;
    ForwardLimits limits_;
    Dial dial_;
    std::map<HostPort, std::shared_ptr<Forward>> forwards_;
    std::shared_ptr<std::size_t> connections_ = std::make_shared<std::size_t>(0);
    bool closed_ = false;           ///< for good
    bool full_ = false;             ///< has said that connections are reset
    TaskGroup* running_ = nullptr;  ///< the children of run()
    Notifier never_;
};

}  // namespace banger::net
