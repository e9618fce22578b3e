#include "pipelines/io/file_writer.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <cstring>
#include <filesystem>
#include <numeric>
#include <random>

#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/unique_fd.hpp"
#include "pipelines/io/uring.hpp"
#include "pipelines/io/wait.hpp"
#include "test/support/catch.hpp"
#include "test/support/run_task.hpp"
#include "test/support/temp_dir.hpp"

using namespace banger;
using namespace std::chrono_literals;
using banger::test::run_task;
using banger::test::TempDir;

namespace {

constexpr std::size_t kBlock = 4096;

enum class Kind { uring, pwrite };

std::vector<std::byte> random_bytes(std::size_t size) {
    std::vector<std::byte> bytes(size);
    std::mt19937_64 random(7);
    for (std::size_t i = 0; i + 8 <= size; i += 8) {
        const std::uint64_t word = random();
        std::memcpy(bytes.data() + i, &word, 8);
    }
    return bytes;
}

std::vector<std::byte> contents(const std::string& path) {
    const auto size = std::filesystem::file_size(path);
    std::vector<std::byte> bytes(size);
    const auto fd = open_file(path, O_RDONLY);
    std::size_t at = 0;
    while (at < size) {
        const auto count = ::read(fd.get(), bytes.data() + at, size - at);
        if (count <= 0) break;
        at += static_cast<std::size_t>(count);
    }
    return bytes;
}

/// Direct where the file system of the test directory can, as the pull opens its image.
UniqueFd open_direct(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
    return fd >= 0 ? UniqueFd(fd) : open_file(path, O_RDWR | O_CREAT, 0600);
}

/// Writes `bytes` to their places in pieces of changing size and in random order.
void write_scattered(FileWriter& writer, BufferPool& pool, std::span<const std::byte> bytes,
                     std::stop_token stop) {
    std::vector<std::pair<std::size_t, std::size_t>> pieces;
    std::mt19937 random(3);
    for (std::size_t at = 0; at < bytes.size();) {
        const std::size_t blocks = 1 + random() % (BufferPool::kBufferSize / kBlock);
        const std::size_t size = std::min(blocks * kBlock, bytes.size() - at);
        pieces.emplace_back(at, size);
        at += size;
    }
    std::shuffle(pieces.begin(), pieces.end(), random);
    for (const auto& [at, size] : pieces) {
        Lease lease = pool.lease_blocking(stop);
        std::memcpy(lease.bytes().data(), bytes.data() + at, size);
        writer.write(std::move(lease), size, at);
    }
}

using Body = Task<void> (*)(FileWriter&, BufferPool&, BlockingPool&, std::span<const std::byte>);

/// Makes the writer, runs `body`, and closes the ring whatever happened.
Task<void> with_writer(Kind kind, int fd, std::span<const std::byte> bytes, Body body) {
    BlockingPool threads(2);
    BufferPool pool(4);
    std::string why_not;
    std::unique_ptr<Uring> ring;
    if (kind == Kind::uring) {
        ring = Uring::try_make(co_await boost::asio::this_coro::executor, pool, why_not);
        if (!ring) throw std::runtime_error("no io_uring here: " + why_not);
    }
    std::exception_ptr failure;
    {
        auto writer = make_file_writer(fd, ring.get());
        try {
            co_await body(*writer, pool, threads, bytes);
        } catch (...) {
            failure = std::current_exception();
        }
    }
    co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
    if (ring) co_await ring->close();
    if (failure) std::rethrow_exception(failure);
}

Task<void> write_all(FileWriter& writer, BufferPool& pool, BlockingPool& threads,
                     std::span<const std::byte> bytes) {
    auto job = [&](std::stop_token stop) { write_scattered(writer, pool, bytes, stop); };
    co_await run_blocking(threads, job);
    co_await writer.flush();
}

Task<void> write_from_two_threads(FileWriter& writer, BufferPool& pool, BlockingPool& threads,
                                  std::span<const std::byte> bytes) {
    auto job = [&](std::stop_token stop) { write_scattered(writer, pool, bytes, stop); };
    co_await when_all(run_blocking(threads, job), run_blocking(threads, job));
    co_await writer.flush();
}

/// The error of a writer on whose descriptor every write fails.
Task<void> write_one_then_flush(FileWriter& writer, BufferPool& pool, BlockingPool&,
                                std::span<const std::byte>) {
    bool refused = false;
    try {
        writer.write(pool.lease_blocking({}), kBlock, 0);
    } catch (const Error&) {
        refused = true;
    }
    try {
        co_await writer.flush();
    } catch (const Error&) {
        refused = true;
        // The first error is kept: a producer is told at its next write.
        CHECK_THROWS_AS(writer.write(pool.lease_blocking({}), kBlock, 0), Error);
    }
    CHECK(refused);
    co_await writer.flush();
}

Kind any_kind() {
    return GENERATE(Kind::uring, Kind::pwrite);
}

/// RLIMIT_FSIZE for a scope; a larger write is cut there, and one beyond it fails.
class FileSizeLimit {
  public:
    explicit FileSizeLimit(rlim_t bytes) {
        ::signal(SIGXFSZ, SIG_IGN);
        ::getrlimit(RLIMIT_FSIZE, &before_);
        const rlimit limit{bytes, before_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    ~FileSizeLimit() {
        ::setrlimit(RLIMIT_FSIZE, &before_);
        ::signal(SIGXFSZ, SIG_DFL);
    }
    FileSizeLimit(const FileSizeLimit&) = delete;
    FileSizeLimit& operator=(const FileSizeLimit&) = delete;

  private:
    rlimit before_{};
};

/// False, with a warning, where the kernel or a seccomp filter refuses io_uring.
bool usable(Kind kind) {
    auto probe = []() -> Task<std::string> {
        BufferPool pool(1);
        std::string why_not;
        auto ring = Uring::try_make(co_await boost::asio::this_coro::executor, pool, why_not);
        if (ring) co_await ring->close();
        co_return why_not;
    };
    const auto why_not = kind == Kind::uring ? run_task(probe()) : "";
    if (!why_not.empty()) WARN("not tested, io_uring is refused here: " << why_not);
    return why_not.empty();
}

}  // namespace

TEST_CASE("64 MiB written at scattered places are read back equal") {
    const Kind kind = any_kind();
    if (!usable(kind)) return;
    TempDir dir;
    const auto bytes = random_bytes(64u << 20);
    const auto fd = open_direct(dir / "file");

    run_task(with_writer(kind, fd.get(), bytes, write_all));

    CHECK(contents(dir / "file") == bytes);
}

TEST_CASE("two threads may write to one file") {
    const Kind kind = any_kind();
    if (!usable(kind)) return;
    TempDir dir;
    const auto bytes = random_bytes(16u << 20);
    const auto fd = open_direct(dir / "file");

    run_task(with_writer(kind, fd.get(), bytes, write_from_two_threads));

    CHECK(contents(dir / "file") == bytes);
}

TEST_CASE("flush reports a write that failed") {
    const Kind kind = any_kind();
    if (!usable(kind)) return;
    TempDir dir;
    open_file(dir / "file", O_WRONLY | O_CREAT);
    const auto read_only = open_file(dir / "file", O_RDONLY);

    CHECK_THROWS_WITH(run_task(with_writer(kind, read_only.get(), {}, write_one_then_flush)),
                      "cannot write at byte 0: Bad file descriptor");
}

TEST_CASE("a full device is reported as no space") {
    const Kind kind = any_kind();
    if (!usable(kind)) return;
    const auto full = open_file("/dev/full", O_WRONLY);

    try {
        run_task(with_writer(kind, full.get(), {}, write_one_then_flush));
        FAIL("no exception");
    } catch (const Error& e) {
        CHECK(e.code() == Errc::no_space);
    }
}

TEST_CASE("a write that only half fits is finished or reported") {
    const Kind kind = any_kind();
    if (!usable(kind)) return;
    TempDir dir;
    const auto fd = open_file(dir / "file", O_WRONLY | O_CREAT);
    Body half = [](FileWriter& writer, BufferPool& pool, BlockingPool&,
                   std::span<const std::byte>) -> Task<void> {
        writer.write(pool.lease_blocking({}), BufferPool::kBufferSize, 0);
        co_await writer.flush();
    };

    const FileSizeLimit limit(BufferPool::kBufferSize / 2);

    CHECK_THROWS_WITH(run_task(with_writer(kind, fd.get(), {}, half)),
                      "cannot write at byte 0: File too large");
    CHECK(std::filesystem::file_size(dir / "file") == BufferPool::kBufferSize / 2);
}

TEST_CASE("a cancelled flush still waits for the writes under way") {
    const Kind kind = any_kind();
    if (!usable(kind)) return;
    TempDir dir;
    const auto bytes = random_bytes(4u << 20);
    const auto fd = open_direct(dir / "file");
    Body cancelled = [](FileWriter& writer, BufferPool& pool, BlockingPool&,
                        std::span<const std::byte> all) -> Task<void> {
        for (std::size_t i = 0; i < 4; ++i) {
            Lease lease = pool.lease_blocking({});
            const auto at = i * BufferPool::kBufferSize;
            std::memcpy(lease.bytes().data(), all.data() + at, BufferPool::kBufferSize);
            writer.write(std::move(lease), BufferPool::kBufferSize, at);
        }
        co_await race(writer.flush(), sleep_for(0ms));
    };

    run_task(with_writer(kind, fd.get(), bytes, cancelled));

    CHECK(contents(dir / "file") == bytes);
}

TEST_CASE("a writer dropped without flush gives its buffers back") {
    const Kind kind = any_kind();
    if (!usable(kind)) return;
    TempDir dir;
    const auto fd = open_direct(dir / "file");
    Body dropped = [](FileWriter& writer, BufferPool& pool, BlockingPool&,
                      std::span<const std::byte>) -> Task<void> {
        for (int i = 0; i < 4; ++i)
            writer.write(pool.lease_blocking({}), kBlock, 0);
        co_return;
    };

    CHECK_NOTHROW(run_task(with_writer(kind, fd.get(), {}, dropped)));
}

TEST_CASE("a writer names what it uses") {
    CHECK(make_file_writer(0, nullptr)->name() == std::string("pwrite"));
}
