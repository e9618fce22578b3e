#pragma once

#include <cstdint>

namespace banger::guest {

/// How long processes have between SIGTERM and SIGKILL, where nobody says.
inline constexpr std::int64_t kGraceMs = 2000;

/// Where the VM's own file system can be reached after the switch of root: an O_PATH descriptor of
/// its hidden mount, -1 when there is none. It is made read-only last, so that it is clean at the
/// next boot.
inline int vm_disk_fd = -1;

/// Cuts the power (or resets, where the VMM has no power switch) without any preparation.
[[noreturn]] void power_off_now();

/// Ends all processes (SIGTERM, the grace at most, SIGKILL), syncs, takes file systems down, then
/// powers off or reboots: about a second after the grace. Works in PID 1 and in any other process.
[[noreturn]] void shut_down(bool reboot, std::int64_t grace_ms = kGraceMs);

}  // namespace banger::guest
