#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "daemon/net/guest_connection.hpp"
#include "daemon/vm/http2_stream.hpp"

namespace banger::vm {

/// Waits until the agent has connected that fresh stream of POST /v1/connect; throws what the agent
/// says when it cannot.
Task<std::unique_ptr<net::GuestConnection>> open_tunnel(Http2Stream stream, std::string peer);

}  // namespace banger::vm
