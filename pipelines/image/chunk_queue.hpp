#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>

#include "pipelines/io/byte_pipe.hpp"

namespace banger::image {

/// Bounded hand-over of chunks between the two threads of a layer: the one that inflates and the
/// one that cuts the tar. Either side may give up with an exception, which the other side's next
/// call throws; so neither ever waits for a side that is gone.
class ChunkQueue {
  public:
    explicit ChunkQueue(std::size_t max_chunks) : max_chunks_(max_chunks) {}

    /// Producer: a chunk to fill, recycled where possible.
    Chunk take_empty();
    void push_blocking(Chunk chunk);
    void close();
    void fail_producer(std::exception_ptr error);

    /// Consumer: nullopt after close().
    std::optional<Chunk> pop_blocking();
    void recycle(Chunk chunk);
    void fail_consumer(std::exception_ptr error);

  private:
    const std::size_t max_chunks_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Chunk> full_;
    std::deque<Chunk> empty_;
    std::exception_ptr producer_error_;
    std::exception_ptr consumer_error_;
    bool closed_ = false;
};

}  // namespace banger::image
