#include "cli/stdio.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <stop_token>

#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/unique_fd.hpp"

namespace banger::cli {
namespace {

/// Turns a stop request into something that poll(2) sees.
class StopEvent {
  public:
    explicit StopEvent(const std::stop_token& stop)
        : event_(::eventfd(0, EFD_CLOEXEC)), callback_(stop, Wake{event_.get()}) {}

    /// Waits until `fd` is ready for `events` or at its end; throws Error{cancelled} on a stop.
    void wait_ready(int fd, short events) {
        std::array<pollfd, 2> polled{pollfd{fd, events, 0}, pollfd{event_.get(), POLLIN, 0}};
        while (::poll(polled.data(), polled.size(), -1) < 0) {
            if (errno != EINTR) fail_errno(errno, "cannot wait for descriptor {}", fd);
        }
        if (polled[1].revents != 0) fail(Errc::cancelled, "cancelled");
    }

  private:
    struct Wake {
        int fd;
        void operator()() const noexcept { ::eventfd_write(fd, 1); }
    };
    UniqueFd event_;
    std::stop_callback<Wake> callback_;
};

bool is_transient(int error) {
    return error == EINTR || error == EAGAIN;
}

std::size_t read_blocking(int fd, std::span<std::byte> buffer, const std::stop_token& stop) {
    StopEvent stopped(stop);
    for (;;) {
        stopped.wait_ready(fd, POLLIN);
        const auto got = ::read(fd, buffer.data(), buffer.size());
        if (got >= 0) return static_cast<std::size_t>(got);
        // A terminal whose other end is gone.
        if (errno == EIO) return 0;
        if (!is_transient(errno)) fail_errno(errno, "cannot read standard input");
    }
}

bool write_blocking(int fd, std::span<const std::byte> bytes, const std::stop_token& stop) {
    StopEvent stopped(stop);
    while (!bytes.empty()) {
        stopped.wait_ready(fd, POLLOUT);
        // A pipe that is ready takes this much without blocking (pipe(7)), so a stop is heeded.
        const auto piece = std::min<std::size_t>(bytes.size(), PIPE_BUF);
        const auto put = ::write(fd, bytes.data(), piece);
        if (put >= 0) {
            bytes = bytes.subspan(static_cast<std::size_t>(put));
        } else if (errno == EPIPE) {
            return false;
        } else if (!is_transient(errno)) {
            fail_errno(errno, "cannot write to descriptor {}", fd);
        }
    }
    return true;
}

}  // namespace

Task<std::size_t> read_fd(BlockingPool& pool, int fd, std::span<std::byte> buffer) {
    auto job = [fd, buffer](std::stop_token stop) { return read_blocking(fd, buffer, stop); };
    co_return co_await run_blocking(pool, job);
}

Task<bool> write_fd(BlockingPool& pool, int fd, std::span<const std::byte> bytes) {
    auto job = [fd, bytes](std::stop_token stop) { return write_blocking(fd, bytes, stop); };
    co_return co_await run_blocking(pool, job);
}

}  // namespace banger::cli
