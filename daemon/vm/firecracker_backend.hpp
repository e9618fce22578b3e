#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <optional>
#include <string>

#include "daemon/vm/backend.hpp"
#include "daemon/vm/firecracker_version.hpp"
#include "daemon/vm/user_network.hpp"

namespace banger::vm {

/// What is the same for every VM of a daemon.
struct FirecrackerOptions {
    std::string binary = "firecracker";
    FirecrackerVersion version = kOldestFirecracker;
    bool kvm = true;                     ///< false only where a stand-in for Firecracker emulates
    std::string launcher;                ///< path of banger-vmm-launcher
    std::optional<UserNetwork> network;  ///< without one, VMs have no interface
};

/// Firecracker: a process per VM, told what to do by its API at <directory>/api.sock. The
/// guest dials by vsock.
std::unique_ptr<Backend> make_firecracker_backend(boost::asio::any_io_executor executor,
                                                  FirecrackerOptions options);

/// Firecracker's exit codes have meanings of their own: "exit status 148: a system call that its
/// filter forbids".
std::string describe_firecracker_exit(const ExitStatus& status);

}  // namespace banger::vm
