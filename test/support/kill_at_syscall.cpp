/// Runs a program and counts the system calls of all its threads, so that a test can end it at any
/// of them; and writes down what the program does to files, so that a test can make what a power
/// loss would have left.
///
///     kill_at_syscall [OPTION...] -- COMMAND...
///     --at N          send the whole program SIGKILL before its N-th call is carried out
///     --from-start    count from the start, not from the first SIGUSR1; the next one ends it
///     --below DIR     the files that --changes and --log are about
///     --changes       count only calls that change something there
///     --log FILE      write down what they do (see FileLog); SIGUSR2 writes a mark
///     --no-io-uring   refuse the program its io_uring, whose writes nobody sees from here
///
/// At the end it prints "COUNT STATUS": the calls counted and the program's wait status.

#include <getopt.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <string>

#include "test/support/file_log.hpp"

namespace {

using banger::test::FileChange;
using banger::test::FileChanges;
using banger::test::FileLog;
using banger::test::SystemCall;
using banger::test::Tracee;

volatile sig_atomic_t count_signals = 0;
volatile sig_atomic_t mark_signals = 0;

[[noreturn]] void die(const char* what) {
    std::fprintf(stderr, "kill_at_syscall: %s: %s\n", what, std::strerror(errno));
    std::exit(2);
}

struct Options {
    std::uint64_t at = 0;  ///< 0: never
    bool from_start = false;
    bool changes = false;
    bool no_io_uring = false;
    std::string below;
    std::string log;
    char** command = nullptr;
};

Options parse(int argc, char** argv) {
    constexpr option kOptions[] = {{"at", required_argument, nullptr, 'n'},
                                   {"from-start", no_argument, nullptr, 's'},
                                   {"changes", no_argument, nullptr, 'c'},
                                   {"no-io-uring", no_argument, nullptr, 'u'},
                                   {"below", required_argument, nullptr, 'b'},
                                   {"log", required_argument, nullptr, 'l'},
                                   {}};
    Options options;
    bool sound = true;
    // "+": what follows the program's name is the program's.
    for (int found = 0; (found = ::getopt_long(argc, argv, "+", kOptions, nullptr)) != -1;) {
        if (found == 'n') options.at = std::strtoull(optarg, nullptr, 10);
        if (found == 's') options.from_start = true;
        if (found == 'c') options.changes = true;
        if (found == 'u') options.no_io_uring = true;
        if (found == 'b') options.below = optarg;
        if (found == 'l') options.log = optarg;
        if (found == '?') sound = false;
    }
    options.command = argv + optind;
    const bool needs_root = options.changes || !options.log.empty();
    if (!sound || optind == argc || (needs_root && options.below.empty())) {
        std::fprintf(stderr,
                     "usage: kill_at_syscall [--at N] [--from-start] [--changes] [--no-io-uring] "
                     "[--below DIR [--log FILE]] -- COMMAND...\n");
        std::exit(2);
    }
    return options;
}

class Tracer {
  public:
    explicit Tracer(const Options& options) : options_(options), changes_(options.below) {
        if (!options.log.empty()) log_.emplace(options.log);
    }

    void start() {
        child_ = ::fork();
        if (child_ < 0) die("fork");
        if (child_ == 0) {
            ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
            ::execvp(options_.command[0], options_.command);
            die(options_.command[0]);
        }
        int status = 0;
        if (::waitpid(child_, &status, 0) != child_ || !WIFSTOPPED(status)) die("no program");
        // Threads are followed; children of the program are not of its making of files.
        constexpr long kFollow = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_TRACECLONE;
        if (::ptrace(PTRACE_SETOPTIONS, child_, nullptr, kFollow) != 0) die("ptrace");
        threads_[child_] = {};
        resume(child_, 0);
    }

    int run() {
        for (;;) {
            int status = 0;
            const pid_t thread = ::waitpid(-1, &status, __WALL);
            const int error = errno;
            heed_marks();
            if (thread < 0 && error == EINTR) continue;
            if (thread < 0) break;
            if (WIFSTOPPED(status)) {
                stopped(thread, status);
            } else {
                threads_.erase(thread);
                if (thread == child_) end_ = status;
            }
        }
        std::printf("%llu %d\n", static_cast<unsigned long long>(counted_), end_);
        return 0;
    }

  private:
    struct Thread {
        bool known = true;  ///< past the stop that every new thread begins with
        std::optional<FileChange> change;
    };

    static void resume(pid_t thread, int signal) {
        // One that was killed in the meantime cannot be resumed; its end is reported.
        ::ptrace(PTRACE_SYSCALL, thread, nullptr, static_cast<long>(signal));
    }

    // Before what is handled next: a mark stands behind what had happened when it was sent.
    void heed_marks() {
        for (; marks_ < mark_signals; ++marks_) {
            if (log_) log_->mark();
        }
    }

    void stopped(pid_t thread, int status) {
        const auto [found, is_new] =
            threads_.try_emplace(thread, Thread{.known = false, .change = {}});
        const int signal = WSTOPSIG(status);
        int deliver = 0;
        if (signal == (SIGTRAP | 0x80)) {
            if (!system_call(thread, found->second)) return;
        } else if (signal == SIGSTOP && !found->second.known) {
            found->second.known = true;
        } else if (status >> 16 == 0) {
            deliver = signal;
        }
        resume(thread, deliver);
    }

    /// False when the program was killed.
    bool system_call(pid_t thread, Thread& state) {
        __ptrace_syscall_info info{};
        if (::ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) < 0) return true;
        if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
            if (state.change && log_) log_->add(Tracee(thread), *state.change, info.exit.rval);
            state.change.reset();
            return true;
        }
        if (info.op != PTRACE_SYSCALL_INFO_ENTRY) return true;
        SystemCall call{.number = info.entry.nr};
        for (std::size_t i = 0; i < call.arguments.size(); ++i)
            call.arguments[i] = info.entry.args[i];
        if (!options_.below.empty()) {
            state.change = changes_.find(Tracee(thread), call);
            if (state.change && log_) state.change->since = log_->lines();
        }
        if (options_.no_io_uring && call.number == SYS_io_uring_setup) skip(thread);
        return !counts(state) || ++counted_ != options_.at || !kill_all();
    }

    bool counts(const Thread& state) const {
        return count_signals % 2 == 1 && (!options_.changes || state.change);
    }

    bool kill_all() const { return ::kill(child_, SIGKILL) == 0; }

    /// The kernel finds no system call -1 and answers ENOSYS.
    static void skip(pid_t thread) {
        constexpr auto kNumber = offsetof(user, regs.orig_rax);
        if (::ptrace(PTRACE_POKEUSER, thread, kNumber, -1L) != 0) die("ptrace");
    }

    const Options& options_;
    FileChanges changes_;
    std::optional<FileLog> log_;
    pid_t child_ = -1;
    std::map<pid_t, Thread> threads_;
    std::uint64_t counted_ = 0;
    int marks_ = 0;
    int end_ = 0;
};

void heed(int signal, void (*handler)(int)) {
    struct sigaction action{};
    // Without SA_RESTART: waitpid has to return.
    action.sa_handler = handler;
    ::sigaction(signal, &action, nullptr);
}

}  // namespace

int main(int argc, char** argv) {
    const auto options = parse(argc, argv);
    heed(SIGUSR1, [](int) { count_signals = count_signals + 1; });
    heed(SIGUSR2, [](int) { mark_signals = mark_signals + 1; });
    if (options.from_start) count_signals = 1;
    Tracer tracer(options);
    tracer.start();
    return tracer.run();
}
