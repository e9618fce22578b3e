#pragma once

#include <cstddef>
#include <span>

#include "pipelines/io/task.hpp"

namespace banger {
class BlockingPool;
}

namespace banger::cli {

// Standard streams belong to other processes too, so they must not be made non-blocking, which is
// what Asio does to a descriptor it is given. A thread of the pool waits with poll(2) instead.

/// Up to buffer.size() bytes; 0 at the end.
Task<std::size_t> read_fd(BlockingPool& pool, int fd, std::span<std::byte> buffer);
/// All of the bytes. False when nobody reads any more (EPIPE).
Task<bool> write_fd(BlockingPool& pool, int fd, std::span<const std::byte> bytes);

}  // namespace banger::cli
