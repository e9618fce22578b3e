#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

namespace banger {

class BufferPool;

/// One buffer on loan from a BufferPool; goes back when destroyed. Move-only.
class Lease {
  public:
    Lease() = default;
    Lease(Lease&& other) noexcept;
    Lease& operator=(Lease&& other) noexcept;
    ~Lease();

    explicit operator bool() const noexcept { return pool_ != nullptr; }
    std::span<std::byte> bytes() const noexcept;
    /// Index of the buffer in the pool, as io_uring's fixed-buffer index wants it.
    unsigned index() const noexcept { return index_; }

  private:
    friend class BufferPool;
    Lease(BufferPool* pool, unsigned index) : pool_(pool), index_(index) {}
    BufferPool* pool_ = nullptr;
    unsigned index_ = 0;
};

/// A fixed number of page-aligned 1 MiB buffers. lease_blocking() waits while none is free: this is
/// the write pipeline's only back-pressure. Thread-safe. Kept below 8 MiB in all, the memory that
/// an unprivileged user may pin for io_uring (RLIMIT_MEMLOCK, getrlimit(2)).
class BufferPool {
  public:
    static constexpr std::size_t kBufferSize = 1024 * 1024;

    explicit BufferPool(unsigned count);
    ~BufferPool();
    BufferPool(const BufferPool&) = delete;
    BufferPool& operator=(const BufferPool&) = delete;

    /// Throws Error{cancelled} when `stop` is requested while waiting.
    Lease lease_blocking(std::stop_token stop);
    unsigned count() const noexcept;
    /// All buffers, in index order: what a ring registers.
    std::vector<std::span<std::byte>> buffers() const;

  private:
    friend class Lease;
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace banger
