#include "pipelines/image/ext4/ext4_writer.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "pipelines/image/ext4/block_map.hpp"
#include "pipelines/image/ext4/ext2fs.hpp"
#include "pipelines/image/ext4/inode_plan.hpp"
#include "pipelines/image/ext4/inode_writer.hpp"
#include "pipelines/image/ext4/layout.hpp"
#include "pipelines/image/ext4/sparse_file.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/unique_fd.hpp"

namespace banger::image {
namespace {

/// The features of Debian's mke2fs, for a file system of these measures.
ext2_super_block parameters(const Layout& layout, bool large_xattrs) {
    ext2_super_block super{};
    ext2fs_blocks_count_set(&super, layout.blocks);
    super.s_inodes_count = layout.inodes;
    super.s_log_block_size = 2;
    super.s_log_cluster_size = 2;
    super.s_rev_level = EXT2_DYNAMIC_REV;
    super.s_inode_size = 256;
    super.s_blocks_per_group = Layout::kGroupBlocks;
    super.s_log_groups_per_flex = 4;
    super.s_reserved_gdt_blocks = static_cast<__u16>(layout.reserved_gdt_blocks);
    super.s_default_mount_opts = EXT2_DEFM_XATTR_USER | EXT2_DEFM_ACL;
    super.s_feature_compat = EXT3_FEATURE_COMPAT_HAS_JOURNAL | EXT2_FEATURE_COMPAT_EXT_ATTR |
                             EXT2_FEATURE_COMPAT_RESIZE_INODE | EXT2_FEATURE_COMPAT_DIR_INDEX;
    super.s_feature_incompat = EXT2_FEATURE_INCOMPAT_FILETYPE | EXT3_FEATURE_INCOMPAT_EXTENTS |
                               EXT4_FEATURE_INCOMPAT_64BIT | EXT4_FEATURE_INCOMPAT_FLEX_BG;
    if (large_xattrs) super.s_feature_incompat |= EXT4_FEATURE_INCOMPAT_EA_INODE;
    super.s_feature_ro_compat =
        EXT2_FEATURE_RO_COMPAT_SPARSE_SUPER | EXT2_FEATURE_RO_COMPAT_LARGE_FILE |
        EXT4_FEATURE_RO_COMPAT_HUGE_FILE | EXT4_FEATURE_RO_COMPAT_DIR_NLINK |
        EXT4_FEATURE_RO_COMPAT_EXTRA_ISIZE | EXT4_FEATURE_RO_COMPAT_METADATA_CSUM;
    return super;
}

/// Everything that libext2fs would take from the clock, from random or from the host's C compiler.
void set_identity(ext2_filsys fs, const Ext4Options& options) {
    // libext2fs reads 0 as "ask the clock".
    fs->now = options.time == 0 ? 1 : options.time;
    ext2_super_block& super = *fs->super;
    super.s_mkfs_time = super.s_lastcheck = static_cast<__u32>(fs->now);
    super.s_max_mnt_count = -1;
    super.s_creator_os = EXT2_OS_LINUX;
    super.s_flags = EXT2_FLAGS_SIGNED_HASH;
    super.s_def_hash_version = EXT2_HASH_HALF_MD4;
    super.s_checksum_type = EXT2_CRC32C_CHKSUM;
    std::memcpy(super.s_uuid, options.uuid.data(), sizeof super.s_uuid);
    std::memcpy(super.s_hash_seed, options.hash_seed.data(), sizeof super.s_hash_seed);
    std::memcpy(super.s_volume_name, options.label.data(),
                std::min(options.label.size(), sizeof super.s_volume_name));
    ext2fs_init_csum_seed(fs);
}

ext2_filsys initialize(const std::string& path, const Layout& layout, bool large_xattrs) {
    ext2_super_block super = parameters(layout, large_xattrs);
    ext2_filsys fs = nullptr;
    check(ext2fs_initialize(path.c_str(), EXT2_FLAG_64BITS, &super, unix_io_manager, &fs),
          "cannot lay out an ext4 of {} bytes in {}", layout.blocks * kBlockSize, path);
    return fs;
}

/// libext2fs asks here when it needs a block itself: for extent trees and xattrs.
errcode_t allocate_block(ext2_filsys fs, blk64_t, blk64_t* block) noexcept {
    try {
        *block = static_cast<BlockMap*>(fs->priv_data)->take(1).front().start;
        return 0;
    } catch (const std::exception&) {
        return EXT2_ET_BLOCK_ALLOC_FAIL;
    }
}

/// One image on its way to disk.
class ImageWriter {
  public:
    ImageWriter(const std::string& path, const StagingTree& tree, const Ext4Options& options)
        : path_(path),
          plan_(tree, options.time),
          layout_(checked(make_layout(plan_.demand(), options.size), options)),
          fs_(initialize(path, layout_, plan_.has_large_xattrs())),
          map_(ext2fs_blocks_count(fs_.get()->super)) {
        set_identity(fs_.get(), options);
        fs_.get()->priv_data = &map_;
        ext2fs_set_alloc_block_callback(fs_.get(), allocate_block, nullptr);
    }

    Ext4Result run(std::stop_token stop) {
        reserve_superblocks();
        mark_contents();
        // Before any metadata is written: an unwritten inode table must read as zeros.
        bool is_sparse = clear_free_blocks(path_, map_);
        place_tables();
        mark_inodes();
        write_inodes(stop);
        finish_groups();
        Ext4Result result = summary();
        result.is_sparse = is_sparse;
        fs_.close();
        const auto closed = std::chrono::steady_clock::now();
        sync_file(path_);
        result.sync_time = std::chrono::steady_clock::now() - closed;
        return result;
    }

  private:
    const Layout& checked(const Layout& layout, const Ext4Options& options) const {
        constexpr std::uint64_t kInodeBytes = 256;
        const auto& demand = plan_.demand();
        if (options.check_space) {
            options.check_space((demand.other_blocks + layout.journal_blocks) * kBlockSize +
                                demand.inodes * kInodeBytes);
        }
        return layout;
    }

    BlockRun group_blocks(dgrp_t group) const {
        std::uint64_t start = std::uint64_t{group} * Layout::kGroupBlocks;
        return {start, std::min<std::uint64_t>(Layout::kGroupBlocks, map_.size() - start)};
    }

    /// Superblock and group descriptors, with room for more of them, at the start of some groups.
    std::uint64_t superblock_blocks(dgrp_t group) const {
        if (ext2fs_bg_has_super(fs_.get(), group) == 0) return 0;
        return 1 + fs_.get()->desc_blocks + fs_.get()->super->s_reserved_gdt_blocks;
    }

    void reserve_superblocks() {
        for (dgrp_t group = 0; group < fs_.get()->group_desc_count; ++group) {
            if (!map_.mark({group_blocks(group).start, superblock_blocks(group)})) {
                fail(Errc::internal, "block group {} of {} has no place for its superblock", group,
                     path_);
            }
        }
    }

    void mark_contents() {
        // libext2fs leaves out a last group that is too small for its tables.
        if (plan_.demand().end_block > map_.size()) {
            fail(Errc::no_space, "a file system of {} bytes ends before the image's contents do",
                 map_.size() * kBlockSize);
        }
        for (std::size_t index = 0; index < plan_.size(); ++index)
            mark_extents(plan_.at(index));
    }

    void mark_extents(const PlannedInode& inode) {
        const Node& node = *inode.node;
        const std::uint64_t file_blocks = (node.size + kBlockSize - 1) / kBlockSize;
        std::uint64_t next = 0;
        for (const Extent& extent : plan_.nodes().extents(node)) {
            std::uint64_t end = std::uint64_t{extent.logical} + extent.count;
            bool is_sound = extent.count > 0 && extent.logical >= next && end <= file_blocks;
            if (!is_sound || !map_.mark({extent.physical, extent.count})) {
                fail(Errc::internal, "{} has {} blocks at {} that are not its own",
                     plan_.path_of(inode), extent.count, extent.physical);
            }
            next = end;
        }
    }

    /// Bitmaps and inode tables go wherever there is room; flex_bg allows it.
    void place_tables() {
        ext2_filsys fs = fs_.get();
        for (dgrp_t group = 0; group < fs->group_desc_count; ++group) {
            ext2fs_block_bitmap_loc_set(fs, group, map_.take(1).front().start);
            ext2fs_inode_bitmap_loc_set(fs, group, map_.take(1).front().start);
            ext2fs_inode_table_loc_set(fs, group, map_.take_run(fs->inode_blocks_per_group));
        }
    }

    void mark_inodes() {
        ext2_filsys fs = fs_.get();
        for (ext2_ino_t number = 1; number <= plan_.last_number(); ++number) {
            ext2fs_mark_inode_bitmap2(fs->inode_map, number);
        }
        // ext2fs_new_inode forgets the marks of a group that is called unused.
        for (dgrp_t group = 0; group < fs->group_desc_count; ++group) {
            ext2fs_bg_flags_clear(fs, group, EXT2_BG_INODE_UNINIT);
        }
    }

    void write_inodes(const std::stop_token& stop) {
        InodeWriter writer(fs_.get(), map_, plan_);
        check(ext2fs_create_resize_inode(fs_.get()), "cannot write the resize inode");
        writer.write_journal(layout_.journal_blocks);
        for (std::size_t index = 0; index < plan_.size(); ++index) {
            if (stop.stop_requested()) fail(Errc::cancelled, "writing {} was cancelled", path_);
            writer.write(plan_.at(index));
        }
    }

    /// Inodes are numbered without a gap; the ones that libext2fs made for large xattrs come last.
    ext2_ino_t used_inodes() const {
        ext2_ino_t free = 0;
        errcode_t code = ext2fs_find_first_zero_inode_bitmap2(
            fs_.get()->inode_map, 1, fs_.get()->super->s_inodes_count, &free);
        return code == 0 ? free - 1 : fs_.get()->super->s_inodes_count;
    }

    void finish_groups() {
        ext2_filsys fs = fs_.get();
        std::vector<std::uint32_t> directories = count_directories();
        const std::uint64_t inodes_per_group = fs->super->s_inodes_per_group;
        const std::uint64_t inodes_used = used_inodes();
        for (dgrp_t group = 0; group < fs->group_desc_count; ++group) {
            std::uint64_t first = group * inodes_per_group;
            std::uint64_t used = std::clamp(inodes_used, first, first + inodes_per_group) - first;
            set_group(group, static_cast<__u32>(inodes_per_group - used), directories[group]);
        }
        // libext2fs only adds bits, and only ever added bits of the map.
        // The C API takes void* for what it only reads.
        check(ext2fs_set_block_bitmap_range2(fs->block_map, 0, map_.size(),
                                             const_cast<std::uint64_t*>(map_.words().data())),
              "cannot fill the block bitmap");
        ext2fs_free_blocks_count_set(fs->super, map_.size() - map_.used());
        fs->super->s_free_inodes_count =
            fs->super->s_inodes_count - static_cast<__u32>(inodes_used);
        ext2fs_mark_super_dirty(fs);
        ext2fs_mark_bb_dirty(fs);
        ext2fs_mark_ib_dirty(fs);
    }

    std::vector<std::uint32_t> count_directories() const {
        std::vector<std::uint32_t> directories(fs_.get()->group_desc_count);
        for (std::size_t index = 0; index < plan_.size(); ++index) {
            const PlannedInode inode = plan_.at(index);
            if (inode.node->type != NodeType::directory) continue;
            ++directories[(inode.number - 1) / fs_.get()->super->s_inodes_per_group];
        }
        return directories;
    }

    void set_group(dgrp_t group, __u32 free_inodes, __u32 directories) {
        ext2_filsys fs = fs_.get();
        BlockRun blocks = group_blocks(group);
        std::uint64_t used = map_.used_in(blocks);
        bool is_last = group + 1 == fs->group_desc_count;
        // A block bitmap need not be written when superblocks are all that is in the group.
        bool no_blocks = used == superblock_blocks(group) && !is_last;
        bool no_inodes = free_inodes == fs->super->s_inodes_per_group;
        // Unused inode tables are holes, which read as zeros: no guest has to clear them.
        int flags = EXT2_BG_INODE_ZEROED;
        if (no_blocks) flags |= EXT2_BG_BLOCK_UNINIT;
        if (no_inodes) flags |= EXT2_BG_INODE_UNINIT;
        ext2fs_bg_flags_zap(fs, group);
        ext2fs_bg_flags_set(fs, group, static_cast<__u16>(flags));
        ext2fs_bg_free_blocks_count_set(fs, group, static_cast<__u32>(blocks.count - used));
        ext2fs_bg_free_inodes_count_set(fs, group, free_inodes);
        ext2fs_bg_itable_unused_set(fs, group, free_inodes);
        ext2fs_bg_used_dirs_count_set(fs, group, directories);
        ext2fs_group_desc_csum_set(fs, group);
    }

    Ext4Result summary() const {
        const ext2_super_block& super = *fs_.get()->super;
        Ext4Result result;
        result.size = map_.size() * kBlockSize;
        result.used_bytes = map_.used() * kBlockSize;
        result.free_bytes = result.size - result.used_bytes;
        result.inodes_used = super.s_inodes_count - super.s_free_inodes_count;
        return result;
    }

    const std::string path_;
    const InodePlan plan_;
    const Layout layout_;
    Ext2Handle fs_;
    BlockMap map_;
};

}  // namespace

Ext4Result write_ext4_blocking(const std::string& path, const StagingTree& tree,
                               const Ext4Options& options, std::stop_token stop) {
    return ImageWriter(path, tree, options).run(std::move(stop));
}

void make_empty_ext4_blocking(const std::string& path, std::uint64_t size,
                              const Ext4Options& options) {
    open_file(path, O_CREAT | O_EXCL | O_RDWR, 0600);
    try {
        Ext4Options sized = options;
        sized.size = size;
        write_ext4_blocking(path, StagingTree{}, sized, {});
    } catch (...) {
        ::unlink(path.c_str());
        throw;
    }
}

}  // namespace banger::image
