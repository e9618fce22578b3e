#pragma once

#include <sys/un.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <string>

#include "pipelines/io/error.hpp"

namespace banger {

/// The address of a Unix socket. Throws Error{invalid_argument} for a path that unix(7) has no room
/// for.
inline boost::asio::local::stream_protocol::endpoint local_endpoint(const std::string& path) {
    constexpr std::size_t kRoom = sizeof(sockaddr_un::sun_path) - 1;
    if (path.size() > kRoom) {
        fail(Errc::invalid_argument, "the socket path {} is longer than {} bytes", path, kRoom);
    }
    return {path};
}

}  // namespace banger
