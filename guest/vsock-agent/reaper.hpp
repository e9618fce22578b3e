#pragma once

namespace banger::guest {

/// PID 1 for images without an init of their own: reaps whatever is orphaned, and takes the machine
/// down when asked by the signals that busybox's and systemd's poweroff and reboot send.
[[noreturn]] void run_as_init();

}  // namespace banger::guest
