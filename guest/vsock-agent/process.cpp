#include "guest/vsock-agent/process.hpp"

#include <fcntl.h>
#include <grp.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "guest/vsock-agent/environment.hpp"
#include "guest/vsock-agent/files.hpp"

namespace banger::guest {
namespace {

constexpr gid_t kTtyGroup = 5;
constexpr int kNotFound = 127;
constexpr int kNotExecutable = 126;

/// The child's three descriptors.
struct ChildEnds {
    Fd in;
    Fd out;
    Fd error;
};

// glibc 2.36 declares pidfd_open without C linkage.
int open_pidfd(pid_t pid) {
    return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
}

void make_non_blocking(const Fd& fd) {
    ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
}

int open_terminal(const Command& command, Process& ours, ChildEnds& child) {
    ours.standard_out.reset(::open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!ours.standard_out) return -errno;
    const int master = ours.standard_out.get();
    int unlock = 0;
    if (::ioctl(master, TIOCSPTLCK, &unlock) != 0) return -errno;
    // The peer by ioctl, not by name: works whatever the image has mounted over /dev/pts.
    child.in.reset(::ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!child.in) return -errno;
    resize_terminal(master, command.width, command.height);
    (void)::fchown(child.in.get(), command.user.uid, kTtyGroup);
    (void)::fchmod(child.in.get(), 0620);
    ours.standard_in.reset(::fcntl(master, F_DUPFD_CLOEXEC, 3));
    child.out.reset(::fcntl(child.in.get(), F_DUPFD_CLOEXEC, 3));
    child.error.reset(::fcntl(child.in.get(), F_DUPFD_CLOEXEC, 3));
    make_non_blocking(ours.standard_out);
    return ours.standard_in && child.out && child.error ? 0 : -errno;
}

int open_pipe(Fd& read_end, Fd& write_end, uid_t owner) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return -errno;
    read_end.reset(ends[0]);
    write_end.reset(ends[1]);
    // So that a process of that user may open /dev/stdout and /dev/stderr by name.
    (void)::fchown(ends[0], owner, static_cast<gid_t>(-1));
    return 0;
}

int open_pipes(const Command& command, Process& ours, ChildEnds& child) {
    const uid_t uid = command.user.uid;
    if (command.standard_in) {
        if (const int failed = open_pipe(child.in, ours.standard_in, uid)) return failed;
        make_non_blocking(ours.standard_in);
    } else {
        child.in.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        if (!child.in) return -errno;
    }
    if (const int failed = open_pipe(ours.standard_out, child.out, uid)) return failed;
    if (const int failed = open_pipe(ours.standard_error, child.error, uid)) return failed;
    make_non_blocking(ours.standard_out);
    make_non_blocking(ours.standard_error);
    return 0;
}

[[noreturn]] void child_fails(const char* what, const std::string& name, int status) {
    const int cause = errno;
    write_all(2,
              std::string("banger: ") + what + " '" + name + "': " + std::strerror(cause) + "\n");
    ::_exit(status);
}

void become(const User& user) {
    // Only root may: an agent that runs as somebody else (in tests) starts processes as itself.
    if (::geteuid() != 0) return;
    if (::setgroups(user.groups.size(), user.groups.data()) != 0 || ::setgid(user.gid) != 0 ||
        ::setuid(user.uid) != 0) {
        child_fails("cannot become user", std::to_string(user.uid), kNotExecutable);
    }
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
    std::vector<char*> result;
    for (const std::string& s : strings)
        result.push_back(const_cast<char*>(s.c_str()));
    result.push_back(nullptr);
    return result;
}

[[noreturn]] void execute(const Command& command) {
    const auto argv = pointers(command.argv);
    const auto environment = pointers(command.environment);
    int cause = ENOENT;
    const std::string_view path = find_variable(command.environment, "PATH");
    for (const std::string& candidate : command_candidates(command.argv.front(), path)) {
        ::execve(candidate.c_str(), argv.data(), environment.data());
        // A directory of PATH that lacks the command must not hide the reason of one that has it.
        if (errno != ENOENT && errno != ENOTDIR) cause = errno;
    }
    errno = cause;
    child_fails("cannot run", command.argv.front(), cause == ENOENT ? kNotFound : kNotExecutable);
}

[[noreturn]] void run_child(const Command& command, const ChildEnds& ends) {
    reset_signals();
    ::setsid();
    ::dup2(ends.in.get(), 0);
    ::dup2(ends.out.get(), 1);
    ::dup2(ends.error.get(), 2);
    if (command.tty) ::ioctl(0, TIOCSCTTY, 0);
    ::umask(022);
    // The agent is never to be killed for memory; what it starts is.
    write_small_file("/proc/self/oom_score_adj", "0");
    become(command.user);
    if (::chdir(command.cwd.c_str()) != 0) {
        child_fails("cannot enter", command.cwd, kNotExecutable);
    }
    execute(command);
}

}  // namespace

void reset_signals() {
    for (int number = 1; number < NSIG; ++number)
        ::signal(number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

int start_process(const Command& command, Process& process) {
    ChildEnds ends;
    const int failed =
        command.tty ? open_terminal(command, process, ends) : open_pipes(command, process, ends);
    if (failed != 0) return failed;
    const pid_t pid = ::fork();
    if (pid < 0) return -errno;
    if (pid == 0) run_child(command, ends);
    process.pid = pid;
    process.pidfd.reset(open_pidfd(pid));
    return process.pidfd ? 0 : -errno;
}

int resize_terminal(int fd, int width, int height) {
    winsize size{};
    size.ws_col = static_cast<unsigned short>(width);
    size.ws_row = static_cast<unsigned short>(height);
    return ::ioctl(fd, TIOCSWINSZ, &size) == 0 ? 0 : -errno;
}

int start_function(int (*work)(), pid_t& pid, Fd& pidfd) {
    pid = ::fork();
    if (pid < 0) return -errno;
    if (pid == 0) ::_exit(work());
    pidfd.reset(open_pidfd(pid));
    return pidfd ? 0 : -errno;
}

ExitStatus reap(const Fd& pidfd) {
    siginfo_t info{};
    if (::waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &info, WEXITED) != 0) return {false, 255};
    return {info.si_code != CLD_EXITED, info.si_status};
}

}  // namespace banger::guest
