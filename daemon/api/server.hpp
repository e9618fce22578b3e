#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <span>

#include "daemon/api/router.hpp"
#include "daemon/api/services.hpp"
#include "pipelines/io/task.hpp"
#include "pipelines/io/unique_fd.hpp"

namespace banger::api {

/// What one client may take.
struct ServerLimits {
    std::uint32_t header_bytes = 64 * 1024;
    std::uint64_t body_bytes = 1024 * 1024;
    std::chrono::milliseconds header_time{5'000};  ///< from a header's first byte to its last
    std::chrono::milliseconds body_time{30'000};
    std::chrono::milliseconds idle_time{60'000};   ///< between requests of a connection
    std::chrono::milliseconds write_time{30'000};  ///< for a response; a stream may take its time
    std::chrono::milliseconds stop_time{2'000};    ///< for what is under way when the server stops
    std::size_t connections = 256;                 ///< more are told so (503) and closed
};

/// HTTP/1.1 over a Unix socket. A peer must have our uid or be root. Each connection is a task of
/// one group, joined by run().
class Server {
  public:
    Server(boost::asio::any_io_executor executor, UniqueFd listener, std::span<const Route> routes,
           Services& services, ServerLimits limits = {});
    ~Server();
    /// Serves until stop(): then idle connections are closed, requests under way get stop_time.
    Task<void> run();
    /// Returns at once; nothing is accepted any more.
    void stop();
    std::size_t connections() const noexcept;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace banger::api
