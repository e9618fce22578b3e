#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <vector>

#include "daemon/vm/backend.hpp"
#include "daemon/vm/firecracker_version.hpp"

namespace banger::vm {

/// One request to Firecracker's API.
struct FirecrackerCall {
    std::string method = "PUT";
    std::string path;
    boost::json::object body;
};

/// What is made before the VMM starts, beside its sockets' directory.
inline constexpr char kFirecrackerTap[] = "vm0";
inline constexpr std::uint32_t kGuestCid = 3;

/// All that configures a VM and starts it, in the order in which Firecracker wants it. Throws
/// Error{invalid_argument} for a command line longer than Firecracker takes.
std::vector<FirecrackerCall> firecracker_calls(const FirecrackerVersion& version,
                                               const MachineSpec& spec);

FirecrackerCall firecracker_pause();
FirecrackerCall firecracker_resume();
/// Has Firecracker look at the size of that disk's file again.
FirecrackerCall firecracker_disk_changed(std::size_t index, const std::string& path);

/// The guest kernel's command line: the spec's and what Firecracker's machine needs.
std::string firecracker_command_line(const MachineSpec& spec);

/// Locally administered, and the same at every start of the VM.
std::string guest_mac(const std::string& id);

}  // namespace banger::vm
