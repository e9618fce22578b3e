#include "guest/vsock-agent/reaper.hpp"

#include <sys/reboot.h>
#include <sys/wait.h>

#include <csignal>

#include "guest/vsock-agent/power.hpp"
#include "guest/vsock-agent/title.hpp"

namespace banger::guest {

void run_as_init() {
    set_title("@banger-init");
    // Ctrl-Alt-Del becomes SIGINT instead of a reset without sync.
    ::reboot(RB_DISABLE_CAD);
    sigset_t signals;
    sigemptyset(&signals);
    const int power_off[] = {SIGUSR1, SIGUSR2, SIGRTMIN + 3, SIGRTMIN + 4};
    const int reboot[] = {SIGTERM, SIGINT, SIGRTMIN + 5};
    for (const int number : power_off)
        sigaddset(&signals, number);
    for (const int number : reboot)
        sigaddset(&signals, number);
    sigaddset(&signals, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);
    for (;;) {
        while (::waitpid(-1, nullptr, WNOHANG) > 0) {
        }
        const int number = ::sigwaitinfo(&signals, nullptr);
        for (const int asked : power_off) {
            if (number == asked) shut_down(false);
        }
        for (const int asked : reboot) {
            if (number == asked) shut_down(true);
        }
    }
}

}  // namespace banger::guest
