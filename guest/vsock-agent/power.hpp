#pragma once

namespace banger::guest {

/// Where the VM's own file system can be reached after the switch of root: an O_PATH descriptor of
/// its hidden mount, -1 when there is none. It is made read-only last, so that it is clean at the
/// next boot.
inline int vm_disk_fd = -1;

/// Cuts the power (or resets, where the VMM has no power switch) without any preparation.
[[noreturn]] void power_off_now();

/// Ends all processes (SIGTERM, a short grace, SIGKILL), syncs, takes file systems down, then
/// powers off or reboots. Takes at most about three seconds. Works in PID 1 and in any other
/// process.
[[noreturn]] void shut_down(bool reboot);

}  // namespace banger::guest
