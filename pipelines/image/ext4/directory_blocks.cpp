#include "pipelines/image/ext4/directory_blocks.hpp"

#include <algorithm>
#include <cstring>
#include <span>
#include <tuple>

#include "pipelines/io/error.hpp"

namespace banger::image {
namespace {

constexpr std::size_t kTail = sizeof(ext2_dir_entry_tail);
constexpr std::size_t kLeafSpace = kBlockSize - kTail;
constexpr std::size_t kDotSize = 12;
constexpr std::size_t kRootIndex = 32;  ///< where a root's or a node's index entries begin
constexpr std::size_t kNodeIndex = 8;
constexpr std::size_t kLostAndFoundBlocks = 4;  ///< as mke2fs makes it

struct HashedEntry {
    ext2_dirhash_t hash = 0;
    ext2_dirhash_t minor = 0;
    const DirectoryEntry* entry = nullptr;
};

std::uint8_t file_type(NodeType type) {
    switch (type) {
        case NodeType::directory:
            return EXT2_FT_DIR;
        case NodeType::regular:
            return EXT2_FT_REG_FILE;
        case NodeType::symlink:
            return EXT2_FT_SYMLINK;
        case NodeType::char_device:
            return EXT2_FT_CHRDEV;
        case NodeType::block_device:
            return EXT2_FT_BLKDEV;
        case NodeType::fifo:
            return EXT2_FT_FIFO;
        case NodeType::socket:
            return EXT2_FT_SOCK;
    }
    return EXT2_FT_UNKNOWN;
}

std::size_t record_size(std::string_view name) {
    return (8 + name.size() + 3) / 4 * 4;
}

void put_record(char* at, const DirectoryEntry& entry, std::size_t size) {
    ext2_dir_entry_2 head{};
    head.inode = entry.inode;
    head.rec_len = static_cast<__u16>(size);
    head.name_len = static_cast<__u8>(entry.name.size());
    head.file_type = entry.inode == 0 ? __u8{0} : file_type(entry.type);
    std::memcpy(at, &head, 8);
    entry.name.copy(at + 8, entry.name.size());
}

char* add_block(std::vector<char>& bytes) {
    bytes.resize(bytes.size() + kBlockSize);
    return bytes.data() + bytes.size() - kBlockSize;
}

/// Packs records into blocks that end in a checksum tail.
class LeafPacker {
  public:
    LeafPacker(ext2_filsys fs, std::vector<char>& bytes) : fs_(fs), bytes_(bytes) {}

    /// True when the record begins a new block.
    bool add(const DirectoryEntry& entry, std::size_t size) {
        bool begins = used_ + size > kLeafSpace;
        if (begins) begin_block();
        char* block = bytes_.data() + bytes_.size() - kBlockSize;
        // The last record reaches to the block's end, until another takes its place.
        if (used_ > 0) set_length(block + last_, used_ - last_);
        put_record(block + used_, entry, kLeafSpace - used_);
        last_ = used_;
        used_ += size;
        return begins;
    }

  private:
    void begin_block() {
        char* block = add_block(bytes_);
        ext2_dir_entry_tail tail;
        ext2fs_initialize_dirent_tail(fs_, &tail);
        std::memcpy(block + kLeafSpace, &tail, kTail);
        used_ = 0;
    }

    static void set_length(char* record, std::size_t size) {
        auto length = static_cast<__u16>(size);
        std::memcpy(record + 4, &length, sizeof length);
    }

    ext2_filsys fs_;
    std::vector<char>& bytes_;
    std::size_t used_ = kLeafSpace;
    std::size_t last_ = 0;
};

using Entries = std::span<const DirectoryEntry>;

DirectoryBlocks build_linear(ext2_filsys fs, const PlannedInode& directory, Entries all) {
    DirectoryBlocks blocks;
    LeafPacker packer(fs, blocks.bytes);
    packer.add({".", directory.number, NodeType::directory}, kDotSize);
    packer.add({"..", directory.parent, NodeType::directory}, kDotSize);
    for (const DirectoryEntry& entry : all)
        packer.add(entry, record_size(entry.name));
    if (directory.number == InodePlan::kLostAndFound) {
        while (blocks.count() < kLostAndFoundBlocks)
            packer.add({}, kLeafSpace);
    }
    return blocks;
}

std::vector<HashedEntry> sorted_by_hash(ext2_filsys fs, Entries all) {
    int version = fs->super->s_def_hash_version;
    if ((fs->super->s_flags & EXT2_FLAGS_UNSIGNED_HASH) != 0) version += 3;
    std::vector<HashedEntry> entries;
    entries.reserve(all.size());
    for (const DirectoryEntry& entry : all) {
        HashedEntry& hashed = entries.emplace_back();
        hashed.entry = &entry;
        check(ext2fs_dirhash2(version, entry.name.data(), static_cast<int>(entry.name.size()),
                              nullptr, 0, fs->super->s_hash_seed, &hashed.hash, &hashed.minor),
              "cannot hash a file name");
    }
    std::sort(entries.begin(), entries.end(), [](const HashedEntry& a, const HashedEntry& b) {
        return std::tie(a.hash, a.minor, a.entry->name) < std::tie(b.hash, b.minor, b.entry->name);
    });
    return entries;
}

/// One line of the index: the block holds the names from this hash on.
struct IndexLine {
    ext2_dirhash_t hash = 0;
    std::uint32_t block = 0;
};

std::vector<IndexLine> pack_leaves(ext2_filsys fs, const std::vector<HashedEntry>& entries,
                                   std::vector<char>& bytes) {
    std::vector<IndexLine> leaves;
    LeafPacker packer(fs, bytes);
    ext2_dirhash_t previous = 1;
    for (const HashedEntry& each : entries) {
        if (packer.add(*each.entry, record_size(each.entry->name))) {
            // The low bit says that names of this hash are in the leaf before as well.
            ext2_dirhash_t hash = each.hash == previous ? each.hash | 1 : each.hash;
            leaves.push_back({hash, static_cast<std::uint32_t>(bytes.size() / kBlockSize - 1)});
        }
        previous = each.hash;
    }
    return leaves;
}

constexpr std::size_t index_limit(std::size_t offset) {
    return (kBlockSize - offset - sizeof(ext2_dx_tail)) / sizeof(ext2_dx_entry);
}

void put_index(char* block, std::size_t offset, std::span<const IndexLine> lines) {
    char* at = block + offset;
    for (const IndexLine& line : lines) {
        ext2_dx_entry entry{line.hash, line.block};
        std::memcpy(at, &entry, sizeof entry);
        at += sizeof entry;
    }
    // The first line covers everything below the second; its hash's place holds limit and count.
    ext2_dx_countlimit counts{static_cast<__u16>(index_limit(offset)),
                              static_cast<__u16>(lines.size())};
    std::memcpy(block + offset, &counts, sizeof counts);
}

/// Puts nodes between root and leaves; answers with the root's lines.
std::vector<IndexLine> add_nodes(const std::vector<IndexLine>& leaves, std::vector<char>& bytes) {
    std::vector<IndexLine> nodes;
    std::span<const IndexLine> left = leaves;
    while (!left.empty()) {
        auto lines = left.first(std::min(left.size(), index_limit(kNodeIndex)));
        nodes.push_back(
            {lines.front().hash, static_cast<std::uint32_t>(bytes.size() / kBlockSize)});
        char* block = add_block(bytes);
        put_record(block, {}, kBlockSize);
        put_index(block, kNodeIndex, lines);
        left = left.subspan(lines.size());
    }
    return nodes;
}

void put_root(ext2_filsys fs, char* block, const PlannedInode& directory, int levels,
              std::span<const IndexLine> lines) {
    put_record(block, {".", directory.number, NodeType::directory}, kDotSize);
    put_record(block + kDotSize, {"..", directory.parent, NodeType::directory},
               kBlockSize - kDotSize);
    ext2_dx_root_info info{};
    info.hash_version = fs->super->s_def_hash_version;
    info.info_length = sizeof info;
    info.indirect_levels = static_cast<__u8>(levels);
    std::memcpy(block + 2 * kDotSize, &info, sizeof info);
    put_index(block, kRootIndex, lines);
}

/// How many blocks pack_leaves will fill.
std::size_t count_leaves(const std::vector<HashedEntry>& entries) {
    std::size_t leaves = 0;
    std::size_t used = kLeafSpace;
    for (const HashedEntry& each : entries) {
        const std::size_t size = record_size(each.entry->name);
        if (used + size > kLeafSpace) {
            ++leaves;
            used = 0;
        }
        used += size;
    }
    return leaves;
}

DirectoryBlocks build_indexed(ext2_filsys fs, const PlannedInode& directory, Entries all) {
    DirectoryBlocks blocks;
    blocks.is_indexed = true;
    const std::vector<HashedEntry> sorted = sorted_by_hash(fs, all);
    // A large directory's bytes grown step by step would be in memory thrice.
    const std::size_t leaves = count_leaves(sorted);
    blocks.bytes.reserve((leaves + leaves / index_limit(kNodeIndex) + 2) * kBlockSize);
    add_block(blocks.bytes);
    std::vector<IndexLine> lines = pack_leaves(fs, sorted, blocks.bytes);
    int levels = 0;
    if (lines.size() > index_limit(kRootIndex)) {
        lines = add_nodes(lines, blocks.bytes);
        levels = 1;
    }
    if (lines.size() > index_limit(kRootIndex)) {
        fail(Errc::unsupported, "a directory with {} entries is too large for ext4's index",
             all.size());
    }
    put_root(fs, blocks.bytes.data(), directory, levels, lines);
    return blocks;
}

}  // namespace

DirectoryBlocks build_directory(ext2_filsys fs, const PlannedInode& directory,
                                std::span<const DirectoryEntry> entries) {
    std::size_t size = 2 * kDotSize;
    for (const DirectoryEntry& entry : entries)
        size += record_size(entry.name);
    return size <= kLeafSpace ? build_linear(fs, directory, entries)
                              : build_indexed(fs, directory, entries);
}

}  // namespace banger::image
