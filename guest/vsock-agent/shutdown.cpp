#include "guest/vsock-agent/shutdown.hpp"

#include <csignal>
#include <string>

#include "guest/vsock-agent/boot_log.hpp"
#include "guest/vsock-agent/files.hpp"
#include "guest/vsock-agent/power.hpp"
#include "guest/vsock-agent/process.hpp"
#include "guest/vsock-agent/protocol.hpp"

namespace banger::guest {
namespace {

constexpr std::chrono::milliseconds kLookEvery{50};
// What ending processes and taking file systems down may take after systemd.
constexpr std::int64_t kOurPartMs = 4000;

// systemd's PID 1 executes systemd-shutdown when every service has stopped. The last steps are ours
// then: it cannot see the file system below the overlay, and would leave its journal dirty.
bool services_have_stopped() {
    std::string name;
    return read_small_file("/proc/1/comm", name) == 0 && name.starts_with("systemd-shutdow");
}

int power_off() {
    shut_down(false);
}
int reboot_machine() {
    shut_down(true);
}

void finish(bool reboot) {
    pid_t pid = 0;
    Fd pidfd;
    // A child, for ending all processes must not stop the agent from reporting their ends.
    const int failed = start_function(reboot ? reboot_machine : power_off, pid, pidfd);
    if (failed != 0 && pid <= 0) shut_down(reboot);
}

void wait_for_systemd(Loop& loop, bool reboot, std::int64_t deadline) {
    if (services_have_stopped() || boottime_ms() >= deadline) return finish(reboot);
    loop.after(kLookEvery, [&loop, reboot, deadline] { wait_for_systemd(loop, reboot, deadline); });
}

}  // namespace

void begin_shutdown(Loop& loop, bool systemd, bool reboot) {
    if (!systemd) return finish(reboot);
    // systemd(1): SIGRTMIN+4 starts poweroff.target, SIGRTMIN+5 reboot.target.
    ::kill(1, SIGRTMIN + (reboot ? 5 : 4));
    wait_for_systemd(loop, reboot, boottime_ms() + kShutdownSeconds * 1000 - kOurPartMs);
}

}  // namespace banger::guest
