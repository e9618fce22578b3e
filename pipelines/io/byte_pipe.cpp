#include "pipelines/io/byte_pipe.hpp"

#include <boost/asio/post.hpp>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <vector>

#include "pipelines/io/error.hpp"
#include "pipelines/io/notifier.hpp"

namespace banger {

namespace asio = boost::asio;

struct BytePipe::State : std::enable_shared_from_this<State> {
    State(asio::any_io_executor ex, std::size_t max)
        : executor(std::move(ex)), changed(executor), max_chunks(max) {}

    bool must_wait() {
        const std::lock_guard lock(mutex);
        return queue.size() >= max_chunks && !abandoned;
    }

    /// The timer inside `changed` belongs to the loop, so a worker wakes it from there.
    void wake_pusher() {
        asio::post(executor, [self = shared_from_this()] { self->changed.notify(); });
    }

    asio::any_io_executor executor;
    Notifier changed;
    const std::size_t max_chunks;

    std::mutex mutex;
    std::condition_variable_any filled;
    std::deque<Chunk> queue;
    std::vector<Chunk> empty;
    std::exception_ptr error;
    bool closed = false;
    bool abandoned = false;
};

BytePipe::BytePipe(asio::any_io_executor executor, std::size_t max_chunks)
    : state_(std::make_shared<State>(std::move(executor), max_chunks)) {}

BytePipe::~BytePipe() = default;

Chunk BytePipe::take_empty() {
    {
        const std::lock_guard lock(state_->mutex);
        if (!state_->empty.empty()) {
            Chunk chunk = std::move(state_->empty.back());
            state_->empty.pop_back();
            return chunk;
        }
    }
    return {std::make_unique_for_overwrite<std::byte[]>(Chunk::kCapacity), 0};
}

Task<void> BytePipe::push(Chunk chunk) {
    auto state = state_;
    while (state->must_wait())
        co_await state->changed.wait();
    const std::lock_guard lock(state->mutex);
    if (state->abandoned) banger::fail(Errc::cancelled, "the reader of the stream has gone");
    state->queue.push_back(std::move(chunk));
    state->filled.notify_one();
}

void BytePipe::close() {
    const std::lock_guard lock(state_->mutex);
    state_->closed = true;
    state_->filled.notify_one();
}

void BytePipe::fail(std::exception_ptr error) {
    const std::lock_guard lock(state_->mutex);
    state_->error = std::move(error);
    state_->filled.notify_one();
}

std::optional<Chunk> BytePipe::pop_blocking(std::stop_token stop) {
    auto& state = *state_;
    std::unique_lock lock(state.mutex);
    auto ready = [&state] { return !state.queue.empty() || state.closed || state.error; };
    if (!state.filled.wait(lock, stop, ready)) {
        banger::fail(Errc::cancelled, "stopped while waiting for the stream");
    }
    // An error overtakes what is queued: nobody wants the start of a broken stream.
    if (state.error) std::rethrow_exception(state.error);
    if (state.queue.empty()) return std::nullopt;
    Chunk chunk = std::move(state.queue.front());
    state.queue.pop_front();
    if (state.queue.size() + 1 == state.max_chunks) state.wake_pusher();
    return chunk;
}

void BytePipe::recycle(Chunk chunk) {
    chunk.size = 0;
    const std::lock_guard lock(state_->mutex);
    if (state_->empty.size() <= state_->max_chunks) state_->empty.push_back(std::move(chunk));
}

void BytePipe::abandon() {
    const std::lock_guard lock(state_->mutex);
    state_->abandoned = true;
    state_->queue.clear();
    state_->wake_pusher();
}

}  // namespace banger
