#include "guest/vsock-agent/system_state.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <string_view>

#include "guest/vsock-agent/environment.hpp"

namespace banger::guest {
namespace {

constexpr std::chrono::milliseconds kDeadline{3000};
constexpr std::array<std::string_view, 6> kStates{"initializing", "starting",    "running",
                                                  "degraded",     "maintenance", "stopping"};

Command systemctl() {
    Command command;
    command.argv = {"systemctl", "is-system-running"};
    command.environment = build_environment(command.user, false, {}, {});
    command.cwd = "/";
    return command;
}

}  // namespace

void SystemState::ask(Done done) {
    waiting_.push_back(std::move(done));
    if (waiting_.size() == 1) start();
}

void SystemState::start() {
    output_.clear();
    if (start_process(systemctl(), systemctl_) != 0) return finish();
    loop_.watch(systemctl_.standard_out.get(), EPOLLIN, [this](std::uint32_t) { read(); });
    deadline_ = loop_.after(kDeadline, [this] { ::kill(systemctl_.pid, SIGKILL); });
}

void SystemState::read() {
    char buffer[256];
    const ssize_t count = ::read(systemctl_.standard_out.get(), buffer, sizeof buffer);
    if (count > 0) output_.append(buffer, static_cast<std::size_t>(count));
    if (count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR))) return;
    loop_.forget(systemctl_.standard_out.get());
    loop_.cancel(deadline_);
    // It has closed its output, that is, it is ending.
    reap(systemctl_.pidfd);
    finish();
}

void SystemState::finish() {
    systemctl_ = {};
    const std::string word = output_.substr(0, output_.find('\n'));
    const bool known = std::find(kStates.begin(), kStates.end(), word) != kStates.end();
    // Taken first: who is answered may ask again.
    const auto waiting = std::move(waiting_);
    waiting_.clear();
    for (const Done& done : waiting)
        done(known ? word : "starting");
}

}  // namespace banger::guest
