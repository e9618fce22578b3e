#pragma once

#include <cstdint>

namespace banger::image {

/// What a tree needs of a file system.
struct Demand {
    std::uint64_t data_blocks = 0;  ///< of the files' contents
    std::uint64_t end_block = 0;    ///< one past the highest of them
    std::uint64_t other_blocks =
        0;  ///< directories, long symlinks, extent trees, xattrs; a little too many
    std::uint32_t inodes = 0;  ///< the ten reserved ones included
};

/// The measures of an ext4.
struct Layout {
    static constexpr std::uint32_t kGroupBlocks = 32768;

    std::uint64_t blocks = 0;
    std::uint32_t inodes = 0;
    std::uint32_t journal_blocks = 0;
    std::uint32_t reserved_gdt_blocks = 0;  ///< room to grow while mounted (resize_inode)
};

/// Bytes for `size`, or, when that is 0, content x 1.25 in whole groups of 128 MiB, at least 1 GiB.
/// An inode for every 16 KiB, and a quarter more than are used. Throws Error{no_space} when `size`
/// is too small.
Layout make_layout(const Demand& demand, std::uint64_t size);

}  // namespace banger::image
