#include "cli/stdio.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <string>

#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/unique_fd.hpp"
#include "test/support/catch.hpp"
#include "test/support/run_task.hpp"

namespace banger::cli {
namespace {

using namespace std::chrono_literals;
using test::run_task;

struct Pipe {
    Pipe() {
        std::array<int, 2> fds{};
        REQUIRE(::pipe2(fds.data(), O_CLOEXEC) == 0);
        reader.reset(fds[0]);
        writer.reset(fds[1]);
    }
    UniqueFd reader;
    UniqueFd writer;
};

Task<std::size_t> read_with_limit(BlockingPool& pool, int fd, std::span<std::byte> buffer) {
    co_return co_await with_timeout(50ms, read_fd(pool, fd, buffer), "nothing to read");
}

Task<bool> write_with_limit(BlockingPool& pool, int fd, std::span<const std::byte> bytes) {
    co_return co_await with_timeout(50ms, write_fd(pool, fd, bytes), "nobody reads");
}

TEST_CASE("a read of a silent pipe is ended by cancelling") {
    BlockingPool pool(1);
    Pipe pipe;
    std::array<std::byte, 16> buffer{};
    CHECK_THROWS_WITH(run_task(read_with_limit(pool, pipe.reader.get(), buffer)),
                      "nothing to read");
}

TEST_CASE("a write to a pipe that nobody reads is ended by cancelling") {
    BlockingPool pool(1);
    Pipe pipe;
    const std::vector<std::byte> bytes(1 << 20);
    CHECK_THROWS_WITH(run_task(write_with_limit(pool, pipe.writer.get(), bytes)), "nobody reads");
}

TEST_CASE("a pipe whose reader is gone takes nothing more") {
    std::signal(SIGPIPE, SIG_IGN);
    BlockingPool pool(1);
    Pipe pipe;
    pipe.reader.reset();
    const std::vector<std::byte> bytes(10);
    CHECK_FALSE(run_task(write_fd(pool, pipe.writer.get(), bytes)));
}

TEST_CASE("the end of a pipe reads as nothing, and a pipe stays blocking for others") {
    BlockingPool pool(1);
    Pipe pipe;
    REQUIRE(::write(pipe.writer.get(), "abc", 3) == 3);
    std::array<std::byte, 16> buffer{};
    CHECK(run_task(read_fd(pool, pipe.reader.get(), buffer)) == 3);
    CHECK((::fcntl(pipe.reader.get(), F_GETFL) & O_NONBLOCK) == 0);
    pipe.writer.reset();
    CHECK(run_task(read_fd(pool, pipe.reader.get(), buffer)) == 0);
}

TEST_CASE("a regular file is read to its end") {
    BlockingPool pool(1);
    const auto file = open_file("/etc/passwd", O_RDONLY);
    std::array<std::byte, 4096> buffer{};
    std::size_t total = 0;
    while (const auto got = run_task(read_fd(pool, file.get(), buffer)))
        total += got;
    CHECK(total == static_cast<std::size_t>(::lseek(file.get(), 0, SEEK_END)));
}

}  // namespace
}  // namespace banger::cli
