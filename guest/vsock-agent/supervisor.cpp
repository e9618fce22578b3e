#include "guest/vsock-agent/supervisor.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <string>

#include "guest/vsock-agent/agent.hpp"
#include "guest/vsock-agent/title.hpp"

namespace banger::guest {
namespace {

constexpr std::int64_t kFirstPauseMs = 50;
constexpr std::int64_t kLongestPauseMs = 5000;
constexpr std::int64_t kHealthyMs = 60'000;

std::string describe(int status) {
    if (WIFSIGNALED(status)) return "signal " + std::to_string(WTERMSIG(status));
    return "exit status " + std::to_string(WEXITSTATUS(status));
}

[[noreturn]] void supervise(AgentInfo& info) {
    set_title("@banger-supervisor");
    for (const int number : {SIGTERM, SIGHUP, SIGINT})
        ::signal(number, SIG_IGN);
    std::int64_t pause_ms = kFirstPauseMs;
    for (;;) {
        const std::int64_t started = boottime_ms();
        const pid_t agent = ::fork();
        if (agent == 0) {
            set_title("@banger-agent");
            ::_exit(run_agent(info));
        }
        int status = 0;
        while (agent > 0 && ::waitpid(agent, &status, 0) < 0 && errno == EINTR) {
        }
        kernel_log("banger: the agent ended with " + describe(status) + " and is started again");
        if (boottime_ms() - started > kHealthyMs) pause_ms = kFirstPauseMs;
        ::usleep(static_cast<useconds_t>(pause_ms * 1000));
        pause_ms = std::min(pause_ms * 2, kLongestPauseMs);
    }
}

}  // namespace

int start_agent(AgentInfo& info) {
    const pid_t pid = ::fork();
    if (pid == 0) supervise(info);
    return pid > 0 ? 0 : -errno;
}

}  // namespace banger::guest
