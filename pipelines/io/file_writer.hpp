#pragma once

#include <cstdint>
#include <memory>

#include "pipelines/io/buffer_pool.hpp"
#include "pipelines/io/task.hpp"

namespace banger {

class StageMeter;
class Uring;

/// Writes leased buffers to given places of one file. write() may be called from any worker thread;
/// it returns at once and the buffer goes back to its pool when its bytes are written. The first
/// error is kept: later writes are dropped and flush() throws it.
class FileWriter {
  public:
    virtual ~FileWriter() = default;
    /// Queues the first `size` bytes of the buffer for `offset`. Both are multiples of 4096 so that
    /// O_DIRECT may be used. Throws the kept error, if any, so that a producer stops early.
    virtual void write(Lease lease, std::size_t size, std::uint64_t offset) = 0;
    /// Waits, on the loop, until every queued write is done. Must be awaited before destruction.
    virtual Task<void> flush() = 0;
    /// "io_uring" or "pwrite": for doctor and the pull's report.
    virtual const char* name() const noexcept = 0;
};

/// A writer for `fd`, which must outlive it. Uses `ring` (WRITE_FIXED) when it is not null,
/// otherwise pwrite(2) in the calling thread. The file should be open with O_DIRECT where its file
/// system allows. `meter`, if any, is busy while a write is under way; it outlives the last of
/// them.
std::unique_ptr<FileWriter> make_file_writer(int fd, Uring* ring, StageMeter* meter = nullptr);

}  // namespace banger
