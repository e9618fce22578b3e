#include "pipelines/image/chunk_queue.hpp"

#include <utility>

namespace banger::image {

Chunk ChunkQueue::take_empty() {
    {
        const std::lock_guard lock(mutex_);
        if (!empty_.empty()) {
            auto chunk = std::move(empty_.front());
            empty_.pop_front();
            return chunk;
        }
    }
    return Chunk{std::make_unique_for_overwrite<std::byte[]>(Chunk::kCapacity), 0};
}

void ChunkQueue::push_blocking(Chunk chunk) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return consumer_error_ || full_.size() < max_chunks_; });
    if (consumer_error_) std::rethrow_exception(consumer_error_);
    full_.push_back(std::move(chunk));
    changed_.notify_one();
}

void ChunkQueue::close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_one();
}

void ChunkQueue::fail_producer(std::exception_ptr error) {
    const std::lock_guard lock(mutex_);
    producer_error_ = std::move(error);
    changed_.notify_one();
}

std::optional<Chunk> ChunkQueue::pop_blocking() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return producer_error_ || closed_ || !full_.empty(); });
    if (producer_error_) std::rethrow_exception(producer_error_);
    if (full_.empty()) return std::nullopt;
    auto chunk = std::move(full_.front());
    full_.pop_front();
    changed_.notify_one();
    return chunk;
}

void ChunkQueue::recycle(Chunk chunk) {
    const std::lock_guard lock(mutex_);
    chunk.size = 0;
    empty_.push_back(std::move(chunk));
}

void ChunkQueue::fail_consumer(std::exception_ptr error) {
    const std::lock_guard lock(mutex_);
    consumer_error_ = std::move(error);
    changed_.notify_one();
}

}  // namespace banger::image
