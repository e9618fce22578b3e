#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "pipelines/image/ext4/layer_entry.hpp"

namespace banger::image {

/// Neighbouring blocks of the image.
struct BlockRun {
    std::uint64_t start = 0;
    std::uint64_t count = 0;
};

/// Which blocks of the file system to be are in use: one bit each, in the order of an ext4 block
/// bitmap. Blocks are only ever taken, from the lowest address up; so that what comes out depends
/// on what goes in and on nothing else.
class BlockMap {
  public:
    explicit BlockMap(std::uint64_t blocks);

    std::uint64_t size() const { return size_; }
    std::uint64_t used() const { return used_; }

    /// False when one of them is in use already or lies outside.
    [[nodiscard]] bool mark(BlockRun run);
    /// `count` blocks as runs, lowest addresses first. Throws Error{no_space}.
    std::vector<BlockRun> take(std::uint64_t count);
    /// `count` neighbouring blocks, else Error{no_space}.
    std::uint64_t take_run(std::uint64_t count);

    std::uint64_t used_in(BlockRun run) const;
    void for_each_free(const std::function<void(BlockRun)>& visit) const;
    /// The bitmap: block b is bit b % 8 of byte b / 8.
    std::span<const std::uint64_t> words() const { return words_; }

  private:
    std::uint64_t find(std::uint64_t from, bool used) const;
    void set(BlockRun run);

    std::uint64_t size_;
    std::uint64_t used_ = 0;
    std::uint64_t next_ = 0;      ///< nothing is free below
    std::uint64_t next_run_ = 0;  ///< where take_run goes on
    std::vector<std::uint64_t> words_;
};

}  // namespace banger::image
