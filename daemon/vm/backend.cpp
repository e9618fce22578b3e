#include "daemon/vm/backend.hpp"

#include <sys/un.h>

#include "guest/vsock-agent/protocol.hpp"
#include "pipelines/io/error.hpp"

namespace banger::vm {

std::string guest_socket(const std::string& vm_directory) {
    auto path = vm_directory + "/vsock.sock_" + std::to_string(guest::kPort);
    if (path.size() >= sizeof(sockaddr_un::sun_path)) {
        fail(Errc::invalid_argument,
             "the path {} is too long for a socket: set XDG_RUNTIME_DIR to a "
             "shorter one",
             path);
    }
    return path;
}

}  // namespace banger::vm
