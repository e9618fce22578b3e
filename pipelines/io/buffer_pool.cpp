#include "pipelines/io/buffer_pool.hpp"

#include <sys/mman.h>

#include <cerrno>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <utility>

#include "pipelines/io/error.hpp"

namespace banger {

struct BufferPool::State {
    explicit State(unsigned n) : count(n) {
        void* memory = ::mmap(nullptr, count * kBufferSize, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) fail_errno(errno, "cannot allocate {} I/O buffers", count);
        base = static_cast<std::byte*>(memory);
        for (unsigned i = count; i > 0; --i)
            free.push_back(i - 1);
    }
    ~State() { ::munmap(base, count * kBufferSize); }
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    std::span<std::byte> buffer(unsigned index) const {
        return {base + index * kBufferSize, kBufferSize};
    }

    unsigned count;
    std::byte* base = nullptr;
    std::mutex mutex;
    std::condition_variable_any returned;
    std::vector<unsigned> free;
};

Lease::Lease(Lease&& other) noexcept
    : pool_(std::exchange(other.pool_, nullptr)), index_(other.index_) {}

Lease& Lease::operator=(Lease&& other) noexcept {
    Lease old(std::move(*this));
    pool_ = std::exchange(other.pool_, nullptr);
    index_ = other.index_;
    return *this;
}

Lease::~Lease() {
    if (pool_ == nullptr) return;
    auto& state = *pool_->state_;
    // Notified under the lock: the last lease may be all that keeps the pool's owner waiting.
    const std::lock_guard lock(state.mutex);
    state.free.push_back(index_);
    state.returned.notify_one();
}

std::span<std::byte> Lease::bytes() const noexcept {
    return pool_->state_->buffer(index_);
}

BufferPool::BufferPool(unsigned count) : state_(std::make_unique<State>(count)) {}

BufferPool::~BufferPool() {
    // A lease that outlives its pool would write to unmapped memory later: stop here instead.
    if (state_->free.size() != state_->count) std::terminate();
}

Lease BufferPool::lease_blocking(std::stop_token stop) {
    std::unique_lock lock(state_->mutex);
    if (!state_->returned.wait(lock, stop, [this] { return !state_->free.empty(); })) {
        fail(Errc::cancelled, "stopped while waiting for an I/O buffer");
    }
    const unsigned index = state_->free.back();
    state_->free.pop_back();
    return {this, index};
}

unsigned BufferPool::count() const noexcept {
    return state_->count;
}

std::vector<std::span<std::byte>> BufferPool::buffers() const {
    std::vector<std::span<std::byte>> all;
    for (unsigned i = 0; i < state_->count; ++i)
        all.push_back(state_->buffer(i));
    return all;
}

}  // namespace banger
