#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/vm/backend.hpp"
#include "daemon/vm/user_network.hpp"

namespace banger::vm {

/// What is the same for every VM of a daemon.
struct QemuOptions {
    std::string binary = "qemu-system-x86_64";
    bool kvm = false;
    /// The host's time stamp counter, for the guest's kernel; see tsc_clock.hpp.
    std::optional<std::uint64_t> tsc_khz;
    std::string launcher;                ///< path of banger-vmm-launcher
    std::optional<UserNetwork> network;  ///< without one, QEMU's own
};

/// microvm has no PCI and boots fastest, but takes kernels with a PVH entry only; q35 takes any.
inline bool qemu_uses_pci(bool kernel_has_pvh) {
    return !kernel_has_pvh;
}

/// QEMU's command line for a VM. No shell is involved; a comma in a path is doubled as QEMU wants
/// it.
std::vector<std::string> qemu_argv(const QemuOptions& options, const MachineSpec& spec);

/// The guest kernel's command line: the spec's and what QEMU's machines need.
std::string qemu_command_line(const QemuOptions& options, const MachineSpec& spec);

}  // namespace banger::vm
