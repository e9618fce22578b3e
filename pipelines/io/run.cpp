#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/this_coro.hpp>
#include <cerrno>
#include <exception>

#include "pipelines/io/error.hpp"
#include "pipelines/io/subprocess.hpp"
#include "pipelines/io/wait.hpp"

namespace banger {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kMaxOutput = 1024 * 1024;

struct Pipe {
    UniqueFd reader;
    UniqueFd writer;
};

Pipe make_pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) fail_errno(errno, "cannot make a pipe");
    return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

/// A file in memory, which needs nobody to write into it while the program runs.
UniqueFd make_input(const std::string& text) {
    if (text.empty()) return {};
    UniqueFd fd(::memfd_create("input", MFD_CLOEXEC));
    if (!fd) fail_errno(errno, "cannot make a file in memory");
    for (std::size_t done = 0; done < text.size();) {
        const auto count = ::write(fd.get(), text.data() + done, text.size() - done);
        if (count < 0 && errno != EINTR) fail_errno(errno, "cannot write a file in memory");
        if (count > 0) done += static_cast<std::size_t>(count);
    }
    ::lseek(fd.get(), 0, SEEK_SET);
    return fd;
}

/// Reads to the end and keeps the first kMaxOutput bytes: the writer is never blocked or broken
/// off.
Task<std::string> drain(UniqueFd fd) {
    asio::posix::stream_descriptor reader(co_await asio::this_coro::executor, fd.release());
    std::string kept;
    std::array<char, 16 * 1024> buffer{};
    while (true) {
        auto [error, count] = co_await reader.async_read_some(asio::buffer(buffer), as_tuple);
        if (error == asio::error::operation_aborted) throw_cancelled();
        if (error) break;
        kept.append(buffer.data(), std::min(count, kMaxOutput - kept.size()));
    }
    co_return kept;
}

/// Also what the program has started itself, which may hold the pipes open.
void kill_session(Subprocess& process) {
    ::kill(-process.pid(), SIGKILL);
}

Task<RunResult> finish(Subprocess& process, Pipe out, Pipe err) {
    out.writer.reset();
    err.writer.reset();
    auto [out_text, err_text] =
        co_await when_all(drain(std::move(out.reader)), drain(std::move(err.reader)));
    const auto status = co_await process.wait();
    co_return RunResult{status, std::move(out_text), std::move(err_text)};
}

}  // namespace

Task<RunResult> run(std::vector<std::string> argv, std::chrono::seconds limit, std::string input) {
    Pipe out = make_pipe();
    Pipe err = make_pipe();
    const auto given = make_input(input);
    SubprocessOptions options;
    options.stdin_fd = given ? given.get() : -1;
    options.argv = std::move(argv);
    options.stdout_fd = out.writer.get();
    options.stderr_fd = err.writer.get();
    options.new_session = true;
    auto process = Subprocess::spawn(co_await asio::this_coro::executor, options);

    std::exception_ptr failure;
    try {
        auto what = fmt::format("{} did not end within {} s", options.argv.front(), limit.count());
        co_return co_await with_timeout(limit, finish(process, std::move(out), std::move(err)),
                                        std::move(what));
    } catch (...) {
        failure = std::current_exception();
    }
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    kill_session(process);
    co_await process.wait();
    std::rethrow_exception(failure);
}

}  // namespace banger
