#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "pipelines/io/task.hpp"
#include "pipelines/io/unique_fd.hpp"

namespace banger {

struct SubprocessOptions {
    std::vector<std::string> argv;       ///< argv[0] is a path, or a name looked up in PATH
    std::vector<std::string> extra_env;  ///< "NAME=value", added to ours
    std::string cwd;                     ///< empty: ours
    int stdin_fd = -1;                   ///< -1: /dev/null
    int stdout_fd = -1;                  ///< -1: /dev/null
    int stderr_fd = -1;                  ///< -1: /dev/null
    bool new_session = false;            ///< setsid: outlives us and our terminal
};

/// How a process ended.
struct ExitStatus {
    int code = 0;    ///< exit code; meaningless when signal is set
    int signal = 0;  ///< the signal that killed it, or 0
    bool success() const { return signal == 0 && code == 0; }
    std::string describe() const;  ///< "exit status 1", "killed by signal 9 (Killed)"
};

/// A child process, held by a pidfd (pidfd_open(2)): never confused with a later process of the
/// same pid. No descriptor but 0, 1, 2 is inherited. Destroying it neither kills nor waits.
class Subprocess {
  public:
    static Subprocess spawn(boost::asio::any_io_executor executor,
                            const SubprocessOptions& options);
    Subprocess(Subprocess&&) noexcept;
    Subprocess& operator=(Subprocess&&) noexcept;
    ~Subprocess();

    int pid() const noexcept;
    /// Field 22 of /proc/<pid>/stat: with the pid it names this process for good.
    std::uint64_t start_time() const noexcept;
    Task<ExitStatus> wait();
    /// Does nothing when the process is gone.
    void signal(int number) noexcept;

  private:
    Subprocess();
    struct State;
    std::unique_ptr<State> state_;
};

/// A process that is not our child, known by pid and start time.
class ForeignProcess {
  public:
    /// Empty when no such process lives (or the pid belongs to another one by now).
    static std::unique_ptr<ForeignProcess> find(boost::asio::any_io_executor executor, int pid,
                                                std::uint64_t start_time);
    virtual ~ForeignProcess() = default;
    virtual Task<void> wait_gone() = 0;
    virtual void signal(int number) noexcept = 0;
};

/// Runs to the end, with `input` as its standard input, and returns its status and what it printed
/// (at most 1 MiB of each).
struct RunResult {
    ExitStatus status;
    std::string out;
    std::string err;
};
Task<RunResult> run(std::vector<std::string> argv, std::chrono::seconds limit,
                    std::string input = {});

}  // namespace banger
