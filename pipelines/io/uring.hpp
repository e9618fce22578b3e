#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "pipelines/io/task.hpp"

namespace banger {

class BufferPool;

/// One io_uring (io_uring_setup(2)) bridged to the io_context by an eventfd. Used by the loop's
/// thread only. In flight at once are at most as many writes as the buffer pool has buffers, and
/// the ring is larger than that, so the submission queue is never full.
class Uring {
  public:
    /// Null, with the reason in `why_not`, where the kernel or a seccomp filter refuses io_uring or
    /// an opcode we need. `buffers` are registered when the memlock limit allows, and must outlive
    /// the ring.
    static std::unique_ptr<Uring> try_make(boost::asio::any_io_executor executor,
                                           BufferPool& buffers, std::string& why_not);
    ~Uring();

    /// Queues a write of `size` bytes of pool buffer `index`; `done` gets bytes written or -errno,
    /// on the loop, posted. Submissions of one loop turn are batched.
    void write_fixed(int fd, unsigned index, std::size_t size, std::uint64_t offset,
                     std::function<void(int)> done);
    boost::asio::any_io_executor executor() const;
    /// Waits for what is in flight and ends the completion loop. Must be awaited before
    /// destruction.
    Task<void> close();

  private:
    Uring();
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace banger
