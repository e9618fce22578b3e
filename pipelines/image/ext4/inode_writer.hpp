#pragma once

#include <cstdint>
#include <vector>

#include "pipelines/image/ext4/block_map.hpp"
#include "pipelines/image/ext4/ext2fs.hpp"
#include "pipelines/image/ext4/inode_plan.hpp"

namespace banger::image {

/// Writes inodes and what hangs on them: extents, directory blocks, the text of long symlinks,
/// xattrs. Blocks come from the map. Fast when called in the order of inode numbers.
class InodeWriter {
  public:
    InodeWriter(ext2_filsys fs, BlockMap& map, const InodePlan& plan)
        : fs_(fs), map_(map), plan_(plan) {}

    void write(const PlannedInode& inode);
    /// The journal: its superblock and, for the rest, blocks that are left as zeros.
    void write_journal(std::uint32_t blocks);

  private:
    struct Content;
    void write_inode(const PlannedInode& inode, Content content);
    Content place_content(const PlannedInode& inode);
    Content place_directory(const PlannedInode& inode);
    void write_directory_blocks(const PlannedInode& inode, Content& content);
    void add_extents(std::uint32_t number, const std::vector<Extent>& extents, const char* what);
    void write_xattrs(const PlannedInode& inode);
    void charge_xattr_inodes(std::uint32_t number, std::uint32_t first_new);

    ext2_filsys fs_;
    BlockMap& map_;
    const InodePlan& plan_;
};

}  // namespace banger::image
