#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <stop_token>
#include <vector>

#include "pipelines/image/ext4/layer_entry.hpp"
#include "pipelines/image/ext4/slab_plan.hpp"
#include "pipelines/io/buffer_pool.hpp"
#include "pipelines/io/file_writer.hpp"

namespace banger::image {

/// Puts one layer's file contents, as they come out of its tar, straight into their final blocks:
/// packs them block-aligned into a leased slab buffer and hands full slabs to the FileWriter.
/// All-zero blocks are not written: they become holes. One per layer, used by that layer's worker
/// thread.
class BlockWriter {
  public:
    BlockWriter(const SlabPlan& plan, std::size_t layer, BufferPool& buffers, FileWriter& file,
                std::stop_token stop);
    ~BlockWriter();

    void begin_file();
    void append(std::span<const std::byte> bytes);
    /// Leaves a hole (GNU/PAX sparse files).
    void skip(std::uint64_t bytes);
    /// The file's extents, merged where they touch; its last block is padded with zeros.
    std::vector<Extent> end_file();
    /// Hands over the last, partly filled slab.
    void finish();

    std::uint64_t blocks_written() const;
    /// One past the highest block given out; 0 when none was.
    std::uint64_t end_block() const;
    /// How long buffers had to be waited for.
    std::chrono::steady_clock::duration waited() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace banger::image
