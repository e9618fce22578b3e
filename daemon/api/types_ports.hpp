#pragma once

// Ports of VMs; see daemon/api/types.hpp.

#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace banger::api {

/// A port of the host that leads to one of a VM. PUT /v1/vms/{vm}/ports publishes it.
struct PublishedPort {
    std::string address;     ///< of the host; empty: the VM's own loopback address
    std::uint16_t host = 0;  ///< 0: as in the guest
    std::uint16_t guest = 0;
    bool operator==(const PublishedPort&) const = default;
};
BOOST_DESCRIBE_STRUCT(PublishedPort, (), (address, host, guest))

/// A TCP socket in the guest that waits for connections.
struct GuestListener {
    std::string address;
    std::uint16_t port = 0;
    std::string process;                 ///< empty when that is not known
    std::vector<std::string> reachable;  ///< "127.64.0.1:8080", …; empty when it is not published
};
BOOST_DESCRIBE_STRUCT(GuestListener, (), (address, port, process, reachable))

/// GET /v1/vms/{vm}/ports.
struct VmPorts {
    std::string vm;       ///< name
    std::string address;  ///< the VM's own loopback address
    bool publish_all = false;
    std::vector<PublishedPort> published;
    std::vector<GuestListener> listeners;  ///< of a running VM
    std::optional<std::string> error;      ///< why the listeners are not known
};
BOOST_DESCRIBE_STRUCT(VmPorts, (), (vm, address, publish_all, published, listeners, error))

/// PUT /v1/vms/{vm}/ports/all.
struct PublishAllRequest {
    bool enabled = true;  ///< every port the guest listens on appears on the VM's own address
};
BOOST_DESCRIBE_STRUCT(PublishAllRequest, (), (enabled))

}  // namespace banger::api
