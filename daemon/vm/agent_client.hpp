#pragma once

#include <boost/describe.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "daemon/api/types.hpp"
#include "daemon/net/guest_connection.hpp"
#include "daemon/vm/exec_session.hpp"
#include "daemon/vm/hello.hpp"
#include "daemon/vm/http2_session.hpp"

namespace banger::vm {

/// GET /v1/health of a guest.
struct AgentHealth {
    std::string boot_id;
    std::int64_t uptime_ms = 0;
    std::string init;
    std::string system;  ///< systemd's "running", "degraded", "starting", …; "none" without systemd
};
BOOST_DESCRIBE_STRUCT(AgentHealth, (), (boot_id, uptime_ms, init, system))

/// GET /v1/traffic of a guest: bytes since its start.
struct AgentTraffic {
    std::uint64_t received = 0;
    std::uint64_t sent = 0;
};
BOOST_DESCRIBE_STRUCT(AgentTraffic, (), (received, sent))

/// A guest's agent that has said hello: protocol.hpp's requests as coroutines. Each has a deadline
/// and throws Error{timed_out} after it, Error{unavailable} when the connection goes, and what the
/// agent answered when it refuses. Many may be under way at once.
class AgentClient {
  public:
    using Duration = std::chrono::steady_clock::duration;

    /// `peer` begins the messages: "the agent of vm 'box'".
    AgentClient(Http2Session::Socket socket, Hello hello, std::string received, std::string peer,
                KeepAlive keep_alive = {});

    const Hello& hello() const { return hello_; }
    /// Serves the connection until it is gone.
    Task<void> run();
    bool alive() const { return session_.alive(); }
    /// The guest stands still, or does no longer: its silence means nothing while it does.
    void hold(bool still) { session_.hold(still); }

    Task<AgentHealth> health(Duration limit);
    Task<void> sync(Duration limit);
    /// Returns once the guest's file systems are synced; it powers off after that, and is told to
    /// be done a little before `limit` is over.
    Task<void> shutdown(Duration limit);
    Task<void> set_clock(std::int64_t realtime_ns, Duration limit);
    /// Returns once the VM's own file system fills its disk.
    Task<void> grow_disk(Duration limit);
    /// Returns once the process runs.
    Task<std::unique_ptr<ExecSession>> exec(api::ExecRequest request);
    /// The guest's TCP listeners, by port; where the host leads to them is not filled in.
    Task<std::vector<api::GuestListener>> listeners(Duration limit);
    Task<AgentTraffic> traffic(Duration limit);
    /// Returns once the connection stands.
    Task<std::unique_ptr<net::GuestConnection>> connect(std::uint16_t port);

  private:
    Task<std::string> call(std::string method, std::string path, std::string body, Duration limit);

    Http2Session session_;
    Hello hello_;
    std::string peer_;
};

}  // namespace banger::vm
