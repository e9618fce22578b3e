#include "guest/vsock-agent/shutdown.hpp"

#include <algorithm>
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
// What taking file systems down may take.
constexpr std::int64_t kTakeDownMs = 2000;
constexpr std::int64_t kShortestGraceMs = 500;

struct Plan {
    bool reboot = false;
    std::int64_t deadline = 0;
    std::int64_t longest_grace_ms = kGraceMs;
};

// Of the child that carries it out: what start_function() runs takes no arguments.
Plan carried_out;

// systemd's PID 1 executes systemd-shutdown when every service has stopped. The last steps are ours
// then: it cannot see the file system below the overlay, and would leave its journal dirty.
bool services_have_stopped() {
    std::string name;
    return read_small_file("/proc/1/comm", name) == 0 && name.starts_with("systemd-shutdow");
}

int carry_out() {
    const std::int64_t left = carried_out.deadline - boottime_ms() - kTakeDownMs;
    shut_down(carried_out.reboot, std::clamp(left, kShortestGraceMs, carried_out.longest_grace_ms));
}

void finish(const Plan& plan) {
    pid_t pid = 0;
    Fd pidfd;
    carried_out = plan;
    // A child, for ending all processes must not stop the agent from reporting their ends.
    const int failed = start_function(carry_out, pid, pidfd);
    if (failed != 0 && pid <= 0) carry_out();
}

void wait_for_systemd(Loop& loop, const Plan& plan) {
    const bool late = boottime_ms() >= plan.deadline - kTakeDownMs - kGraceMs;
    if (services_have_stopped() || late) return finish(plan);
    loop.after(kLookEvery, [&loop, plan] { wait_for_systemd(loop, plan); });
}

}  // namespace

void begin_shutdown(Loop& loop, bool systemd, bool reboot, std::optional<std::int64_t> deadline) {
    Plan plan{reboot, deadline.value_or(boottime_ms() + kShutdownSeconds * 1000), kGraceMs};
    if (!systemd) {
        // The time that systemd would have for its services is theirs.
        if (deadline) plan.longest_grace_ms = std::max(kGraceMs, *deadline - boottime_ms());
        return finish(plan);
    }
    // systemd(1): SIGRTMIN+4 starts poweroff.target, SIGRTMIN+5 reboot.target.
    ::kill(1, SIGRTMIN + (reboot ? 5 : 4));
    wait_for_systemd(loop, plan);
}

}  // namespace banger::guest
