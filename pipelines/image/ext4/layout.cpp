#include "pipelines/image/ext4/layout.hpp"

#include <algorithm>

#include "pipelines/image/ext4/ext2fs.hpp"
#include "pipelines/image/ext4/layer_entry.hpp"
#include "pipelines/image/ext4/slab_plan.hpp"
#include "pipelines/io/error.hpp"

namespace banger::image {
namespace {

constexpr std::uint64_t kInodesPerBlock = kBlockSize / 256;
constexpr std::uint64_t kDescriptorsPerBlock = kBlockSize / 64;
constexpr std::uint64_t kBlocksPerInode = 4;
constexpr std::uint64_t kMinBlocks = (1ULL << 30) / kBlockSize;
/// 128 MiB are plenty for any guest, and one extent.
constexpr int kMaxJournalBlocks = 32768;
/// A superblock and all descriptors, those of a grown file system too, share the slab kept for
/// them.
constexpr std::uint64_t kMaxDescriptorBlocks = SlabPlan::kSlabBlocks - 1;

std::uint64_t divided_up(std::uint64_t value, std::uint64_t unit) {
    return (value + unit - 1) / unit;
}

std::uint64_t groups_of(std::uint64_t blocks) {
    return divided_up(blocks, Layout::kGroupBlocks);
}

std::uint64_t inodes_wanted(const Demand& demand, std::uint64_t blocks) {
    std::uint64_t inodes = demand.inodes;
    return std::max(inodes + inodes / 4, blocks / kBlocksPerInode);
}

int journal_blocks(std::uint64_t blocks) {
    return std::min(ext2fs_default_journal_size(blocks), kMaxJournalBlocks);
}

/// Blocks that are no file's content, a little too many.
std::uint64_t overhead(const Demand& demand, std::uint64_t blocks) {
    std::uint64_t groups = groups_of(blocks);
    std::uint64_t tables = divided_up(inodes_wanted(demand, blocks), kInodesPerBlock) + groups * 4;
    std::uint64_t backups = std::min<std::uint64_t>(groups, 46) * SlabPlan::kSlabBlocks;
    return demand.other_blocks + tables + backups +
           static_cast<std::uint64_t>(std::max(journal_blocks(blocks), 0)) + 64;
}

/// Enough for the tables to lie behind the data, however the data lies.
std::uint64_t needed(const Demand& demand, std::uint64_t blocks) {
    std::uint64_t by_inodes =
        divided_up(demand.inodes, Layout::kGroupBlocks) * Layout::kGroupBlocks;
    std::uint64_t end = std::max(demand.end_block, demand.data_blocks);
    return std::max(end + overhead(demand, blocks), by_inodes);
}

std::uint64_t whole_groups(std::uint64_t blocks) {
    return groups_of(blocks) * Layout::kGroupBlocks;
}

std::uint64_t blocks_by_content(const Demand& demand) {
    std::uint64_t content =
        demand.data_blocks + demand.other_blocks + divided_up(demand.inodes, kInodesPerBlock);
    std::uint64_t blocks = whole_groups(std::max(kMinBlocks, content + content / 4));
    while (needed(demand, blocks) > blocks)
        blocks = whole_groups(needed(demand, blocks));
    return blocks;
}

/// The data may leave room between itself for what would not fit behind it.
void check_size(const Demand& demand, std::uint64_t blocks) {
    std::uint64_t least =
        std::max(demand.end_block, demand.data_blocks + demand.other_blocks +
                                       divided_up(demand.inodes, kInodesPerBlock));
    bool has_inodes = demand.inodes <= groups_of(blocks) * Layout::kGroupBlocks;
    if (journal_blocks(blocks) > 0 && blocks >= least && has_inodes) return;
    fail(Errc::no_space, "a file system of {} bytes is too small for this image; it needs {}",
         blocks * kBlockSize, blocks_by_content(demand) * kBlockSize);
}

}  // namespace

Layout make_layout(const Demand& demand, std::uint64_t size) {
    Layout layout;
    layout.blocks = size == 0 ? blocks_by_content(demand) : size / kBlockSize;
    check_size(demand, layout.blocks);
    std::uint64_t groups = groups_of(layout.blocks);
    std::uint64_t descriptors = divided_up(groups, kDescriptorsPerBlock);
    if (descriptors >= kMaxDescriptorBlocks) {
        fail(Errc::unsupported, "a file system of {} bytes is too large; at most {} are possible",
             layout.blocks * kBlockSize,
             (kMaxDescriptorBlocks - 1) * kDescriptorsPerBlock * Layout::kGroupBlocks * kBlockSize);
    }
    // As mke2fs: room for 1024 times the size.
    layout.reserved_gdt_blocks = static_cast<std::uint32_t>(
        std::min(kMaxDescriptorBlocks, std::max(groups * 16, descriptors + 1)) - descriptors);
    layout.inodes = static_cast<std::uint32_t>(
        std::min(inodes_wanted(demand, layout.blocks), groups * Layout::kGroupBlocks));
    layout.journal_blocks = static_cast<std::uint32_t>(journal_blocks(layout.blocks));
    return layout;
}

}  // namespace banger::image
