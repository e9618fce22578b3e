#pragma once

#include <boost/asio/local/stream_protocol.hpp>
#include <memory>
#include <span>

#include "daemon/api/router.hpp"
#include "daemon/api/server.hpp"
#include "daemon/api/services.hpp"
#include "pipelines/io/task.hpp"

namespace banger::api {

/// What all connections of a server share.
struct SessionContext {
    std::span<const Route> routes;
    Services& services;
    ServerLimits limits;
};

/// One client's connection, request after request.
class Session {
  public:
    virtual ~Session() = default;
    /// Until the client closes, breaks the rules, or is idle for too long. Cancelling drops the
    /// connection, and what it asked for unless that is an operation.
    virtual Task<void> run() = 0;
    /// Ends after the request under way, or at once when there is none.
    virtual void finish() = 0;
};

/// With `refuse`, the first request is answered with 503 and the connection closed.
std::unique_ptr<Session> make_session(SessionContext& context,
                                      boost::asio::local::stream_protocol::socket socket,
                                      bool refuse);

}  // namespace banger::api
