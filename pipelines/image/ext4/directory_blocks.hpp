#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "pipelines/image/ext4/ext2fs.hpp"
#include "pipelines/image/ext4/inode_plan.hpp"

namespace banger::image {

/// A directory's content, checksums not yet filled in.
struct DirectoryBlocks {
    std::vector<char> bytes;  ///< whole blocks
    bool is_indexed = false;  ///< begins with a hash tree (EXT2_INDEX_FL)

    std::uint64_t count() const { return bytes.size() / kBlockSize; }
};

/// One block as long as the entries fit, else leaf blocks sorted by hash under an index of one or
/// two levels, as e2fsck's rehash.c lays them out. `fs` tells the hash's seed and version.
DirectoryBlocks build_directory(ext2_filsys fs, const PlannedInode& directory,
                                std::span<const DirectoryEntry> entries);

}  // namespace banger::image
