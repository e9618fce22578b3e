#include "pipelines/io/file_writer.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <exception>
#include <mutex>
#include <utility>
#include <vector>

#include "pipelines/io/error.hpp"
#include "pipelines/io/notifier.hpp"
#include "pipelines/io/stage_meter.hpp"
#include "pipelines/io/unique_fd.hpp"
#include "pipelines/io/uring.hpp"
#include "pipelines/io/wait.hpp"

namespace banger {

namespace asio = boost::asio;

namespace {

/// Writes all of `bytes`; 0 or an errno value.
int pwrite_all(int fd, std::span<const std::byte> bytes, std::uint64_t offset) {
    while (!bytes.empty()) {
        const auto count = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return errno;
        if (count == 0) return EIO;
        bytes = bytes.subspan(static_cast<std::size_t>(count));
        offset += static_cast<std::uint64_t>(count);
    }
    return 0;
}

std::exception_ptr write_failure(int error, std::uint64_t offset) {
    return std::make_exception_ptr(
        Error(errc_from_errno(error),
              fmt::format("cannot write at byte {}: {}", offset, errno_text(error))));
}

/// The first error of a writer, from whichever thread.
class KeptError {
  public:
    void keep(int error, std::uint64_t offset) {
        const std::lock_guard lock(mutex_);
        if (!error_) error_ = write_failure(error, offset);
    }
    void rethrow() const {
        const std::lock_guard lock(mutex_);
        if (error_) std::rethrow_exception(error_);
    }
    bool any() const {
        const std::lock_guard lock(mutex_);
        return error_ != nullptr;
    }

  private:
    mutable std::mutex mutex_;
    std::exception_ptr error_;
};

void count_write(StageMeter* meter, StageMeter::Clock::time_point began, std::size_t size) {
    if (!meter) return;
    meter->add_busy(StageMeter::Clock::now() - began);
    meter->add_bytes(size);
}

class PwriteWriter final : public FileWriter {
  public:
    PwriteWriter(int fd, StageMeter* meter) : fd_(fd), meter_(meter) {}

    void write(Lease lease, std::size_t size, std::uint64_t offset) override {
        error_.rethrow();
        const auto began = StageMeter::Clock::now();
        if (const int error = pwrite_all(fd_, lease.bytes().first(size), offset); error != 0) {
            error_.keep(error, offset);
            error_.rethrow();
        }
        count_write(meter_, began, size);
    }
    Task<void> flush() override {
        error_.rethrow();
        co_return;
    }
    const char* name() const noexcept override { return "pwrite"; }

  private:
    int fd_;
    StageMeter* meter_;
    KeptError error_;
};

struct Write {
    Lease lease;
    std::size_t size;
    std::uint64_t offset;
    StageMeter::Clock::time_point began{};
};

/// Shared with the handlers under way, so that a writer dropped without flush() leaves them sound.
struct UringWrites : std::enable_shared_from_this<UringWrites> {
    // A descriptor of its own, so that a write under way cannot hit a file opened after the
    // caller's was closed.
    UringWrites(int descriptor, Uring& r, StageMeter* stage_meter)
        : fd(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0)),
          ring(r),
          meter(stage_meter),
          changed(r.executor()) {
        if (!fd) fail_errno(errno, "cannot duplicate a file descriptor");
    }

    void queue(Write write);
    void drop_queued();
    void start_queued();
    void start(Write write);
    void finished(const Write& write, int result);

    const UniqueFd fd;
    Uring& ring;
    StageMeter* const meter;
    KeptError error;

    std::mutex mutex;
    std::vector<Write> queued;

    // Of the loop's thread only.
    Notifier changed;
    unsigned in_flight = 0;
};

void UringWrites::queue(Write write) {
    {
        const std::lock_guard lock(mutex);
        queued.push_back(std::move(write));
        if (queued.size() > 1) return;
    }
    asio::post(ring.executor(), [self = shared_from_this()] { self->start_queued(); });
}

void UringWrites::drop_queued() {
    const std::lock_guard lock(mutex);
    queued.clear();
}

void UringWrites::start_queued() {
    std::vector<Write> writes;
    {
        const std::lock_guard lock(mutex);
        writes.swap(queued);
    }
    for (auto& write : writes) {
        if (!error.any()) start(std::move(write));
    }
}

void UringWrites::start(Write write) {
    ++in_flight;
    write.began = StageMeter::Clock::now();
    const auto index = write.lease.index();
    const auto size = write.size;
    const auto offset = write.offset;
    auto shared = std::make_shared<Write>(std::move(write));
    ring.write_fixed(fd.get(), index, size, offset,
                     [self = shared_from_this(), shared](int result) {
                         self->finished(*shared, result);
                         shared->lease = Lease();
                     });
}

void UringWrites::finished(const Write& write, int result) {
    int failure = result < 0 ? -result : 0;
    const auto done = static_cast<std::size_t>(std::max(result, 0));
    if (failure == EAGAIN || failure == EINTR || (failure == 0 && done < write.size)) {
        // Rare, and mostly the last bytes before "no space": the rest, at once, tells which.
        const auto rest = write.lease.bytes().first(write.size).subspan(done);
        failure = pwrite_all(fd.get(), rest, write.offset + done);
    }
    if (failure != 0) error.keep(failure, write.offset);
    count_write(meter, write.began, done);
    if (--in_flight == 0) changed.notify();
}

class UringWriter final : public FileWriter {
  public:
    UringWriter(int fd, Uring& ring, StageMeter* meter)
        : writes_(std::make_shared<UringWrites>(fd, ring, meter)) {}
    ~UringWriter() override { writes_->drop_queued(); }

    void write(Lease lease, std::size_t size, std::uint64_t offset) override {
        writes_->error.rethrow();
        writes_->queue({.lease = std::move(lease), .size = size, .offset = offset});
    }

    Task<void> flush() override {
        auto writes = writes_;
        writes->start_queued();
        const bool cancelled = co_await wait_through_cancel(
            writes->changed, [&writes] { return writes->in_flight == 0; });
        writes->error.rethrow();
        if (cancelled) throw_cancelled();
    }
    const char* name() const noexcept override { return "io_uring"; }

  private:
    std::shared_ptr<UringWrites> writes_;
};

}  // namespace

std::unique_ptr<FileWriter> make_file_writer(int fd, Uring* ring, StageMeter* meter) {
    if (ring == nullptr) return std::make_unique<PwriteWriter>(fd, meter);
    return std::make_unique<UringWriter>(fd, *ring, meter);
}

}  // namespace banger
