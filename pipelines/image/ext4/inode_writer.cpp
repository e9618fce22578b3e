#include "pipelines/image/ext4/inode_writer.hpp"

#include <ext2fs/ext3_extents.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>

#include "pipelines/image/ext4/directory_blocks.hpp"
#include "pipelines/io/error.hpp"

namespace banger::image {
namespace {

constexpr std::uint32_t kExtentMax = 32768;
constexpr std::size_t kInlineExtents = 4;
constexpr std::size_t kInlineSymlink = 60;  ///< a shorter text lies in the inode
constexpr std::ptrdiff_t kLinksMax = 65000;

std::uint16_t type_bits(NodeType type) {
    switch (type) {
        case NodeType::directory:
            return S_IFDIR;
        case NodeType::regular:
            return S_IFREG;
        case NodeType::symlink:
            return S_IFLNK;
        case NodeType::char_device:
            return S_IFCHR;
        case NodeType::block_device:
            return S_IFBLK;
        case NodeType::fifo:
            return S_IFIFO;
        case NodeType::socket:
            return S_IFSOCK;
    }
    return 0;
}

/// Seconds have 34 bits in ext4: two more than the old field, beside the nanoseconds.
void set_time(const Timestamp& time, __u32& seconds, __u32& extra) {
    constexpr std::int64_t least = std::numeric_limits<std::int32_t>::min();
    constexpr std::int64_t most = least + (std::int64_t{1} << 34) - 1;
    std::int64_t value = std::clamp(time.seconds, least, most);
    auto low = static_cast<std::int32_t>(static_cast<std::uint64_t>(value) & 0xffffffff);
    seconds = static_cast<__u32>(low);
    auto epoch = static_cast<__u32>((value - low) >> 32) & EXT4_EPOCH_MASK;
    extra = time.nanoseconds << EXT4_EPOCH_BITS | epoch;
}

void set_attributes(ext2_inode_large& inode, const Node& node) {
    inode.i_mode = static_cast<__u16>(type_bits(node.type) | node.mode);
    inode.i_uid = static_cast<__u16>(node.uid & 0xffff);
    inode.i_gid = static_cast<__u16>(node.gid & 0xffff);
    ext2fs_set_i_uid_high(inode, static_cast<__u16>(node.uid >> 16));
    ext2fs_set_i_gid_high(inode, static_cast<__u16>(node.gid >> 16));
    inode.i_extra_isize = sizeof(ext2_inode_large) - EXT2_GOOD_OLD_INODE_SIZE;
    set_time({node.mtime_seconds, node.mtime_nanoseconds}, inode.i_mtime, inode.i_mtime_extra);
    inode.i_atime = inode.i_ctime = inode.i_crtime = inode.i_mtime;
    inode.i_atime_extra = inode.i_ctime_extra = inode.i_crtime_extra = inode.i_mtime_extra;
}

/// A directory has its own ".", its name, and the ".." of each one in it.
std::uint16_t link_count(const std::vector<DirectoryEntry>& entries) {
    auto is_directory = [](const DirectoryEntry& entry) {
        return entry.type == NodeType::directory;
    };
    auto links = 2 + std::count_if(entries.begin(), entries.end(), is_directory);
    return links > kLinksMax ? 1 : static_cast<std::uint16_t>(links);  // feature dir_nlink
}

/// As Linux encodes a dev_t: the old 16 bits where they do, else 32.
void set_device(ext2_inode_large& inode, std::uint32_t major, std::uint32_t minor) {
    if (major < 256 && minor < 256) {
        inode.i_block[0] = major << 8 | minor;
    } else {
        inode.i_block[1] = (minor & 0xff) | major << 8 | (minor & ~0xffU) << 12;
    }
}

/// Extents as ext4 has them: none of more than 32768 blocks.
std::vector<Extent> split(const std::vector<Extent>& extents) {
    std::vector<Extent> pieces;
    for (Extent extent : extents) {
        while (extent.count > 0) {
            std::uint32_t count = std::min(extent.count, kExtentMax);
            pieces.push_back({extent.logical, extent.physical, count});
            extent.logical += count;
            extent.physical += count;
            extent.count -= count;
        }
    }
    return pieces;
}

std::vector<Extent> extents_of(const std::vector<BlockRun>& runs) {
    std::vector<Extent> extents;
    std::uint32_t logical = 0;
    for (const BlockRun& run : runs) {
        extents.push_back({logical, run.start, static_cast<std::uint32_t>(run.count)});
        logical += static_cast<std::uint32_t>(run.count);
    }
    return split(extents);
}

/// The extent tree's root; its extents when they fit, else none yet.
void set_extent_root(ext2_inode_large& inode, const std::vector<Extent>& extents) {
    bool fits = extents.size() <= kInlineExtents;
    ext3_extent_header header{};
    header.eh_magic = EXT3_EXT_MAGIC;
    header.eh_max = kInlineExtents;
    header.eh_entries = static_cast<__u16>(fits ? extents.size() : 0);
    auto* at = reinterpret_cast<char*>(inode.i_block);
    std::memcpy(at, &header, sizeof header);
    for (std::size_t index = 0; fits && index < extents.size(); ++index) {
        const Extent& extent = extents[index];
        at += sizeof(ext3_extent);
        ext3_extent raw{extent.logical, static_cast<__u16>(extent.count),
                        static_cast<__u16>(extent.physical >> 32),
                        static_cast<__u32>(extent.physical)};
        std::memcpy(at, &raw, sizeof raw);
    }
    inode.i_flags |= EXT4_EXTENTS_FL;
}

ext2_inode* plain(ext2_inode_large& inode) {
    return reinterpret_cast<ext2_inode*>(&inode);
}

void set_size(ext2_filsys fs, ext2_inode_large& inode, std::uint64_t size,
              const std::vector<Extent>& extents) {
    std::uint64_t blocks = 0;
    for (const Extent& extent : extents)
        blocks += extent.count;
    check(ext2fs_inode_size_set(fs, plain(inode), static_cast<ext2_off64_t>(size)),
          "cannot size a file");
    check(ext2fs_iblk_set(fs, plain(inode), blocks), "cannot size a file");
}

ext2_ino_t next_free_inode(ext2_filsys fs) {
    ext2_ino_t number = 0;
    check(ext2fs_new_inode(fs, 0, 0, nullptr, &number), "no inode is left");
    return number;
}

}  // namespace

/// What an inode points to.
struct InodeWriter::Content {
    std::uint64_t size = 0;
    bool has_extents = false;
    std::vector<Extent> extents{};
    DirectoryBlocks directory{};
    std::uint16_t links = 1;
};

void InodeWriter::write(const PlannedInode& planned) {
    write_inode(planned, place_content(planned));
    if (planned.node->xattrs != 0) write_xattrs(planned);
}

void InodeWriter::write_inode(const PlannedInode& planned, Content content) {
    const Node& node = *planned.node;
    // 256 bytes on disk: what is behind the fields holds small xattrs.
    union {
        ext2_inode_large inode;
        char bytes[256];
    } raw{};
    std::memset(raw.bytes, 0, sizeof raw.bytes);
    set_attributes(raw.inode, node);
    raw.inode.i_links_count = content.links;
    set_size(fs_, raw.inode, content.size, content.extents);
    if (content.has_extents) {
        set_extent_root(raw.inode, content.extents);
    } else if (node.type == NodeType::symlink) {
        const auto target = plan_.nodes().symlink_target(node);
        std::memcpy(raw.inode.i_block, target.data(), target.size());
    } else {
        set_device(raw.inode, node.content, node.more);
    }
    if (content.directory.is_indexed) raw.inode.i_flags |= EXT2_INDEX_FL;
    errcode_t code = ext2fs_write_inode_full(fs_, planned.number, plain(raw.inode), sizeof raw);
    if (code != 0) fail_ext2(code, "cannot write the inode of " + plan_.path_of(planned));
    if (content.extents.size() > kInlineExtents) {
        add_extents(planned.number, content.extents, "a fragmented file");
    }
    if (node.type == NodeType::directory) write_directory_blocks(planned, content);
}

InodeWriter::Content InodeWriter::place_content(const PlannedInode& inode) {
    const Node& node = *inode.node;
    if (node.type == NodeType::directory) return place_directory(inode);
    Content content;
    content.links = node.links;
    if (node.type == NodeType::regular) {
        content.has_extents = true;
        content.size = node.size;
        content.extents = split(plan_.nodes().extents(node));
    } else if (node.type == NodeType::symlink) {
        const auto target = plan_.nodes().symlink_target(node);
        content.size = target.size();
        if (content.size < kInlineSymlink) return content;
        std::vector<char> block(kBlockSize);
        std::memcpy(block.data(), target.data(), target.size());
        content.has_extents = true;
        content.extents = extents_of(map_.take(1));
        check(io_channel_write_blk64(fs_->io, content.extents[0].physical, 1, block.data()),
              "cannot write a symlink");
    }
    return content;
}

InodeWriter::Content InodeWriter::place_directory(const PlannedInode& inode) {
    const auto entries = plan_.entries(inode);
    Content content;
    content.links = link_count(entries);
    content.has_extents = true;
    content.directory = build_directory(fs_, inode, entries);
    content.size = content.directory.bytes.size();
    content.extents = extents_of(map_.take(content.directory.count()));
    return content;
}

/// After the inode: the blocks' checksums are seeded from it.
void InodeWriter::write_directory_blocks(const PlannedInode& inode, Content& content) {
    for (const Extent& extent : content.extents) {
        for (std::uint32_t index = 0; index < extent.count; ++index) {
            char* block =
                content.directory.bytes.data() + std::size_t{extent.logical + index} * kBlockSize;
            errcode_t code =
                ext2fs_write_dir_block4(fs_, extent.physical + index, block, 0, inode.number);
            if (code != 0) fail_ext2(code, "cannot write the directory " + plan_.path_of(inode));
        }
    }
}

void InodeWriter::add_extents(std::uint32_t number, const std::vector<Extent>& extents,
                              const char* what) {
    ext2_extent_handle_t handle = nullptr;
    check(ext2fs_extent_open(fs_, number, &handle), "cannot write {}", what);
    std::unique_ptr<struct ext2_extent_handle, void (*)(ext2_extent_handle_t)> owner(
        handle, ext2fs_extent_free);
    for (const Extent& extent : extents) {
        ext2fs_extent next{};
        next.e_lblk = extent.logical;
        next.e_pblk = extent.physical;
        next.e_len = extent.count;
        check(ext2fs_extent_insert(handle, EXT2_EXTENT_INSERT_AFTER, &next), "cannot write {}",
              what);
        check(ext2fs_extent_fix_parents(handle), "cannot write {}", what);
    }
}

void InodeWriter::write_xattrs(const PlannedInode& inode) {
    ext2_ino_t first_new = 0;
    if (plan_.has_large_xattrs()) first_new = next_free_inode(fs_);
    ext2_xattr_handle* handle = nullptr;
    check(ext2fs_xattrs_open(fs_, inode.number, &handle), "cannot write xattrs");
    auto close = [](ext2_xattr_handle* open) { ext2fs_xattrs_close(&open); };
    std::unique_ptr<ext2_xattr_handle, decltype(close)> owner(handle, close);
    for (const auto& [name, value] : plan_.nodes().xattrs(*inode.node)) {
        errcode_t code = ext2fs_xattr_set(handle, name.c_str(), value.data(), value.size());
        if (code != 0) {
            fail_ext2(code, "cannot store xattr " + name + " of " + plan_.path_of(inode));
        }
    }
    if (plan_.has_large_xattrs()) charge_xattr_inodes(inode.number, first_new);
}

/// An inode's block count covers the inodes that hold its large xattrs; libext2fs 1.47 leaves them
/// out.
void InodeWriter::charge_xattr_inodes(std::uint32_t number, std::uint32_t first_new) {
    ext2_inode owner{};
    check(ext2fs_read_inode(fs_, number, &owner), "cannot read inode {}", number);
    const ext2_ino_t end = next_free_inode(fs_);
    for (ext2_ino_t each = first_new; each < end; ++each) {
        ext2_inode holder{};
        check(ext2fs_read_inode(fs_, each, &holder), "cannot read inode {}", each);
        check(ext2fs_iblk_add_blocks(fs_, &owner,
                                     (EXT2_I_SIZE(&holder) + kBlockSize - 1) / kBlockSize),
              "cannot count the blocks of inode {}", number);
    }
    if (end > first_new)
        check(ext2fs_write_inode(fs_, number, &owner), "cannot write inode {}", number);
}

void InodeWriter::write_journal(std::uint32_t blocks) {
    ext2fs_journal_params parameters{};
    parameters.num_journal_blocks = blocks;
    char* raw = nullptr;
    check(ext2fs_create_journal_superblock2(fs_, &parameters, 0, &raw), "cannot make a journal");
    std::unique_ptr<char, decltype(&std::free)> superblock(raw, std::free);
    std::vector<Extent> extents = extents_of(map_.take(blocks));
    check(io_channel_write_blk64(fs_->io, extents.front().physical, 1, superblock.get()),
          "cannot write the journal");

    Node node;
    node.type = NodeType::regular;
    node.mode = 0600;
    node.mtime_seconds = fs_->now;
    Content content;
    content.size = std::uint64_t{blocks} * kBlockSize;
    content.has_extents = true;
    content.extents = std::move(extents);
    write_inode({&node, EXT2_JOURNAL_INO, InodePlan::kRoot}, std::move(content));

    ext2_inode written{};
    check(ext2fs_read_inode(fs_, EXT2_JOURNAL_INO, &written), "cannot read the journal's inode");
    ext2_super_block& super = *fs_->super;
    std::memcpy(super.s_jnl_blocks, written.i_block, EXT2_N_BLOCKS * 4);
    super.s_jnl_blocks[15] = written.i_size_high;
    super.s_jnl_blocks[16] = written.i_size;
    super.s_jnl_backup_type = EXT3_JNL_BACKUP_BLOCKS;
    super.s_journal_inum = EXT2_JOURNAL_INO;
}

}  // namespace banger::image
