#pragma once

#include "guest/vsock-agent/fd.hpp"

namespace banger::guest {

/// The byte stream to the host.
struct Transport {
    Fd fd;  ///< non-blocking
    bool serial =
        false;  ///< a virtio-serial port: stays when the host goes, and comes back with it
};

/// Dials vsock CID 2, where the guest has vsock and the host answers at once; else opens the
/// virtio-serial port, whoever is at its other end. 0, or -errno: try again a little later.
int open_transport(Transport& transport);

/// False while no host process has the other end of a virtio-serial port open.
bool host_is_connected(const Transport& transport);

}  // namespace banger::guest
