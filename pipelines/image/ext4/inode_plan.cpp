#include "pipelines/image/ext4/inode_plan.hpp"

#include <algorithm>

#include "pipelines/io/error.hpp"

namespace banger::image {
namespace {

constexpr std::string_view kLostAndFoundName = "lost+found";
constexpr std::uint64_t kExtentsPerBlock = 340;
constexpr std::uint64_t kExtentBlocksMax = 32768;
/// What an xattr block holds besides its header and end mark.
constexpr std::uint64_t kXattrBlockSpace = kBlockSize - 32 - 4;

std::uint64_t rounded_up(std::uint64_t value, std::uint64_t unit) {
    return (value + unit - 1) / unit;
}

std::uint64_t xattr_space(const Attributes& attributes) {
    std::uint64_t space = 0;
    for (const auto& [name, value] : attributes.xattrs) {
        space += 16 + rounded_up(name.size(), 4) * 4 + rounded_up(value.size(), 4) * 4;
    }
    return space;
}

/// At least what the directory will take, leaf blocks and index.
std::uint64_t directory_blocks(const PlannedInode& inode) {
    std::uint64_t bytes = 24;
    for (const DirectoryEntry& entry : inode.entries)
        bytes += rounded_up(8 + entry.name.size(), 4) * 4;
    std::uint64_t leaves = rounded_up(bytes, kBlockSize - 12 - 264);
    return leaves + leaves / 500 + 4;
}

}  // namespace

InodePlan::InodePlan(const StagingTree& tree, std::int64_t time) {
    inodes_.push_back({&tree.root(), kRoot, kRoot, {}});
    add_lost_and_found(time);
    for (std::size_t index = 0; index < inodes_.size(); ++index) {
        if (inodes_[index].node->type == NodeType::directory) number_children(index);
        add_demand(inodes_[index]);
    }
    demand_.inodes += last_number();
}

/// e2fsck wants one, and wants it to be a directory.
void InodePlan::add_lost_and_found(std::int64_t time) {
    PlannedInode& root = inodes_.front();
    auto found = root.node->children.find(kLostAndFoundName);
    const Node* node = &lost_and_found_;
    if (found == root.node->children.end()) {
        lost_and_found_.attributes.mode = 0700;
        lost_and_found_.attributes.mtime.seconds = time;
        root.entries.push_back({kLostAndFoundName, kLostAndFound, NodeType::directory});
    } else {
        node = found->second.get();
        if (node->type != NodeType::directory) {
            fail(Errc::unsupported, "'/{}' is no directory, as ext4 needs it", kLostAndFoundName);
        }
    }
    inodes_.push_back({node, kLostAndFound, kRoot, {}});
}

void InodePlan::number_children(std::size_t index) {
    std::vector<DirectoryEntry> entries = std::move(inodes_[index].entries);
    const std::uint32_t directory = inodes_[index].number;
    for (const auto& [name, child] : inodes_[index].node->children) {
        std::uint32_t number = inodes_.back().number + 1;
        bool is_new = true;
        if (child.get() == inodes_[1].node) {
            number = kLostAndFound;
            is_new = false;
        } else if (child->links > 1) {
            auto [place, inserted] = hard_linked_.try_emplace(child.get(), number);
            number = place->second;
            is_new = inserted;
        }
        entries.push_back({name, number, child->type});
        if (is_new) inodes_.push_back({child.get(), number, directory, {}});
    }
    inodes_[index].entries = std::move(entries);
}

void InodePlan::add_demand(const PlannedInode& inode) {
    const Node& node = *inode.node;
    std::uint64_t pieces = 0;
    for (const Extent& extent : node.extents) {
        demand_.data_blocks += extent.count;
        demand_.end_block = std::max(demand_.end_block, extent.physical + extent.count);
        pieces += rounded_up(extent.count, kExtentBlocksMax);
    }
    if (pieces > 4) demand_.other_blocks += rounded_up(pieces, kExtentsPerBlock / 2) + 2;
    if (node.type == NodeType::symlink) ++demand_.other_blocks;
    if (node.type == NodeType::directory) demand_.other_blocks += directory_blocks(inode);
    std::uint64_t xattrs = xattr_space(node.attributes);
    if (xattrs > 0) ++demand_.other_blocks;
    if (xattrs <= kXattrBlockSpace) return;
    has_large_xattrs_ = true;
    auto count = static_cast<std::uint32_t>(node.attributes.xattrs.size());
    demand_.inodes += count;
    demand_.other_blocks += count + xattrs / kBlockSize;
}

const PlannedInode& InodePlan::at(std::uint32_t number) const {
    return number == kRoot ? inodes_.front() : inodes_[number - kLostAndFound + 1];
}

std::string InodePlan::path_of(const PlannedInode& inode) const {
    if (inode.number == kRoot) return "/";
    const PlannedInode& parent = at(inode.parent);
    auto entry =
        std::find_if(parent.entries.begin(), parent.entries.end(),
                     [&](const DirectoryEntry& each) { return each.inode == inode.number; });
    std::string above = parent.number == kRoot ? "" : path_of(parent);
    return above + "/" + std::string(entry == parent.entries.end() ? "?" : entry->name);
}

}  // namespace banger::image
