#pragma once

#include <boost/asio/ip/tcp.hpp>

#include "daemon/net/guest_connection.hpp"

namespace banger::net {

/// Carries bytes both ways until both directions have ended, each by itself. A side that does not
/// read stops the other. Throws when either side breaks; both are to be reset then.
Task<void> splice(boost::asio::ip::tcp::socket& socket, GuestConnection& guest);

}  // namespace banger::net
