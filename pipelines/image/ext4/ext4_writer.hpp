#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

#include "pipelines/image/ext4/staging_tree.hpp"

namespace banger::image {

struct Ext4Options {
    std::array<std::uint8_t, 16> uuid{};       ///< from the manifest digest
    std::array<std::uint32_t, 4> hash_seed{};  ///< of the directory hash, from the digest as well
    std::int64_t time = 0;                     ///< mkfs, write and check times; seconds since 1970
    std::uint64_t size = 0;                    ///< bytes; 0: content x 1.25, at least 1 GiB
    std::string label;                         ///< at most 16 bytes
    /// Asked before anything is written, with the bytes that are going to be; may throw.
    std::function<void(std::uint64_t)> check_space;
};

struct Ext4Result {
    std::uint64_t size = 0;        ///< bytes of the file system
    std::uint64_t used_bytes = 0;  ///< blocks in use x 4096
    std::uint64_t free_bytes = 0;
    std::uint32_t inodes_used = 0;
    std::chrono::nanoseconds sync_time{};
    bool is_sparse = true;  ///< false: the host's file system has no holes, zeros were written
};

/// Writes the metadata of `tree` around the file contents that BlockWriters have put into `path`
/// already (super block, group descriptors, bitmaps, inode tables, directories with indexes where
/// they are large, extents, xattrs, journal, checksums), once, through libext2fs. Blocks of the
/// file that the tree does not refer to are punched out. The result is what `e2fsck -fn` calls
/// clean, and the same bytes for the same input. Ends with fsync. Blocks: run it on the pool.
/// Throws Error{no_space} when options.size is too small, saying how much is needed.
Ext4Result write_ext4_blocking(const std::string& path, const StagingTree& tree,
                               const Ext4Options& options, std::stop_token stop);

/// An empty ext4 of `size` bytes in a new sparse file, in milliseconds (lazy inode tables): a VM's
/// own disk.
void make_empty_ext4_blocking(const std::string& path, std::uint64_t size,
                              const Ext4Options& options);

}  // namespace banger::image
