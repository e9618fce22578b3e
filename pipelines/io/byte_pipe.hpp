#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>

#include "pipelines/io/task.hpp"

namespace banger {

/// A piece of a byte stream: owned memory of a fixed capacity, `size` bytes of it filled.
struct Chunk {
    static constexpr std::size_t kCapacity = 256 * 1024;
    std::unique_ptr<std::byte[]> memory;
    std::size_t size = 0;

    std::span<std::byte> writable() { return {memory.get(), kCapacity}; }
    std::span<const std::byte> bytes() const { return {memory.get(), size}; }
};

/// Bounded hand-over of chunks from a coroutine on the loop to one worker thread. Being full is the
/// back-pressure that slows a download to the speed of its decoder.
///
/// Loop side: take_empty, push, close, fail. Worker side: pop_blocking, recycle, abandon.
class BytePipe {
  public:
    BytePipe(boost::asio::any_io_executor executor, std::size_t max_chunks);
    ~BytePipe();
    BytePipe(const BytePipe&) = delete;
    BytePipe& operator=(const BytePipe&) = delete;

    /// A chunk to fill: a recycled one, or a new one.
    Chunk take_empty();
    /// Suspends while max_chunks are queued. Throws Error{cancelled} once the worker has abandoned.
    Task<void> push(Chunk chunk);
    /// No more chunks will come.
    void close();
    /// The source broke: the worker's next pop throws `error`.
    void fail(std::exception_ptr error);

    /// The next chunk; nullopt after close(). Throws what fail() gave, or Error{cancelled} on stop.
    std::optional<Chunk> pop_blocking(std::stop_token stop);
    void recycle(Chunk chunk);
    /// The worker will read no more; a suspended push is released.
    void abandon();

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace banger
