#include "pipelines/io/subprocess.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/system/system_error.hpp>
#include <cerrno>
#include <cstring>
#include <optional>

#include "pipelines/io/error.hpp"
#include "pipelines/io/process_stat.hpp"
#include "pipelines/io/spawn_arguments.hpp"
#include "pipelines/io/wait.hpp"

// Debian 12's glibc 2.36 forgot to declare these for C++.
extern "C" {
#include <sys/pidfd.h>
}

namespace banger {

namespace asio = boost::asio;

namespace {

UniqueFd open_pidfd(int pid) {
    return UniqueFd(::pidfd_open(pid, 0));
}

/// A pidfd turns readable when its process ends.
Task<void> wait_readable(asio::posix::stream_descriptor& pidfd) {
    co_await pidfd.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
}

ExitStatus reap(int pidfd) {
    siginfo_t info{};
    while (::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED) != 0) {
        if (errno != EINTR) fail_errno(errno, "cannot wait for a process");
    }
    if (info.si_code == CLD_EXITED) return {info.si_status, 0};
    return {0, info.si_status};
}

}  // namespace

std::string ExitStatus::describe() const {
    if (signal == 0) return fmt::format("exit status {}", code);
    const char* name = ::sigdescr_np(signal);
    return fmt::format("killed by signal {} ({})", signal, name != nullptr ? name : "unknown");
}

struct Subprocess::State {
    State(asio::any_io_executor executor, int process) : pid(process), pidfd(std::move(executor)) {}

    int pid;
    std::uint64_t start_time = 0;
    asio::posix::stream_descriptor pidfd;
    std::optional<ExitStatus> status;
};

Subprocess::Subprocess() = default;
Subprocess::Subprocess(Subprocess&&) noexcept = default;
Subprocess& Subprocess::operator=(Subprocess&&) noexcept = default;
Subprocess::~Subprocess() = default;

Subprocess Subprocess::spawn(asio::any_io_executor executor, const SubprocessOptions& options) {
    SpawnArguments arguments(options);
    const int pid = arguments.spawn();
    // Until it is waited for, a child keeps its pid, so nothing below can meet another process.
    UniqueFd pidfd = open_pidfd(pid);
    if (!pidfd) {
        const int error = errno;
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
        fail_errno(error, "cannot watch {}", options.argv.front());
    }
    Subprocess process;
    process.state_ = std::make_unique<State>(std::move(executor), pid);
    process.state_->pidfd.assign(pidfd.release());
    if (const auto stat = read_process_stat(pid)) process.state_->start_time = stat->start_time;
    return process;
}

int Subprocess::pid() const noexcept {
    return state_->pid;
}

std::uint64_t Subprocess::start_time() const noexcept {
    return state_->start_time;
}

Task<ExitStatus> Subprocess::wait() {
    auto& state = *state_;
    if (!state.status) {
        co_await wait_readable(state.pidfd);
        state.status = reap(state.pidfd.native_handle());
    }
    co_return *state.status;
}

void Subprocess::signal(int number) noexcept {
    ::pidfd_send_signal(state_->pidfd.native_handle(), number, nullptr, 0);
}

namespace {

class PidfdProcess final : public ForeignProcess {
  public:
    PidfdProcess(asio::any_io_executor executor, UniqueFd pidfd) : pidfd_(std::move(executor)) {
        pidfd_.assign(pidfd.release());
    }
    Task<void> wait_gone() override { co_await wait_readable(pidfd_); }
    void signal(int number) noexcept override {
        ::pidfd_send_signal(pidfd_.native_handle(), number, nullptr, 0);
    }

  private:
    asio::posix::stream_descriptor pidfd_;
};

}  // namespace

std::unique_ptr<ForeignProcess> ForeignProcess::find(asio::any_io_executor executor, int pid,
                                                     std::uint64_t start_time) {
    if (pid <= 0) return nullptr;
    // The pidfd first: what /proc then says of this pid is said of the process we hold, or its
    // start time differs.
    UniqueFd pidfd = open_pidfd(pid);
    if (!pidfd) {
        // The others: the number is now that of a thread.
        if (errno == ESRCH || errno == EINVAL || errno == ENOENT) return nullptr;
        fail_errno(errno, "cannot watch process {}", pid);
    }
    const auto stat = read_process_stat(pid);
    if (!stat && ::pidfd_send_signal(pidfd.get(), 0, nullptr, 0) == 0) {
        fail(Errc::unavailable, "cannot read the state of process {}", pid);
    }
    if (!stat || stat->start_time != start_time || stat->state == 'Z') return nullptr;
    return std::make_unique<PidfdProcess>(std::move(executor), std::move(pidfd));
}

}  // namespace banger
