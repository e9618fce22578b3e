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

std::uint64_t xattr_space(const Xattrs& xattrs) {
    std::uint64_t space = 0;
    for (const auto& [name, value] : xattrs) {
        space += 16 + rounded_up(name.size(), 4) * 4 + rounded_up(value.size(), 4) * 4;
    }
    return space;
}

}  // namespace

InodePlan::InodePlan(const StagingTree& tree, std::int64_t time)
    : nodes_(tree.nodes()), numbers_(nodes_.size()) {
    order_.reserve(nodes_.size() + 1);
    parents_.reserve(nodes_.size() + 1);
    add(NodeStore::kRoot, kRoot);
    add_lost_and_found(time);
    for (std::size_t index = 0; index < order_.size(); ++index) {
        const PlannedInode inode = at(index);
        if (inode.node->type == NodeType::directory) number_children(inode);
        add_demand(inode);
    }
    demand_.inodes += last_number();
}

/// The reserved numbers lie between the root's and all others.
std::uint32_t InodePlan::number_at(std::size_t index) {
    return index == 0 ? kRoot : static_cast<std::uint32_t>(index - 1) + kLostAndFound;
}

std::size_t InodePlan::index_of(std::uint32_t number) {
    return number == kRoot ? 0 : number - kLostAndFound + 1;
}

PlannedInode InodePlan::at(std::size_t index) const {
    const NodeId id = order_[index];
    return {id == kNoNode ? &lost_and_found_ : &nodes_[id], number_at(index), parents_[index]};
}

void InodePlan::add(NodeId node, std::uint32_t parent) {
    if (node != kNoNode) numbers_[node] = number_at(order_.size());
    order_.push_back(node);
    parents_.push_back(parent);
}

/// e2fsck wants one, and wants it to be a directory.
void InodePlan::add_lost_and_found(std::int64_t time) {
    const NodeId found = nodes_.find(NodeStore::kRoot, kLostAndFoundName);
    if (found == kNoNode) {
        lost_and_found_.mode = 0700;
        lost_and_found_.mtime_seconds = time;
    } else if (nodes_[found].type != NodeType::directory) {
        fail(Errc::unsupported, "'/{}' is no directory, as ext4 needs it", kLostAndFoundName);
    }
    add(found, kRoot);
}

/// A hard-linked file gets its number where it is first met.
void InodePlan::number_children(const PlannedInode& directory) {
    nodes_.for_each_name(*directory.node, [&](std::string_view, NodeId child) {
        if (numbers_[child] == 0) add(child, directory.number);
    });
}

void InodePlan::for_each_entry(const PlannedInode& directory,
                               const std::function<void(const DirectoryEntry&)>& visit) const {
    if (directory.number == kRoot && order_[1] == kNoNode) {
        visit({kLostAndFoundName, kLostAndFound, NodeType::directory});
    }
    nodes_.for_each_name(*directory.node, [&](std::string_view name, NodeId child) {
        visit({name, numbers_[child], nodes_[child].type});
    });
}

std::vector<DirectoryEntry> InodePlan::entries(const PlannedInode& directory) const {
    // Counted first: a directory may be large, and a vector that grows needs its size thrice.
    std::size_t count = 0;
    for_each_entry(directory, [&](const DirectoryEntry&) { ++count; });
    std::vector<DirectoryEntry> entries;
    entries.reserve(count);
    for_each_entry(directory, [&](const DirectoryEntry& entry) { entries.push_back(entry); });
    return entries;
}

/// At least what the directory will take, leaf blocks and index.
std::uint64_t InodePlan::directory_blocks(const PlannedInode& directory) const {
    std::uint64_t bytes = 24;
    for_each_entry(directory, [&](const DirectoryEntry& entry) {
        bytes += rounded_up(8 + entry.name.size(), 4) * 4;
    });
    std::uint64_t leaves = rounded_up(bytes, kBlockSize - 12 - 264);
    return leaves + leaves / 500 + 4;
}

void InodePlan::add_demand(const PlannedInode& inode) {
    const Node& node = *inode.node;
    std::uint64_t pieces = 0;
    for (const Extent& extent : nodes_.extents(node)) {
        demand_.data_blocks += extent.count;
        demand_.end_block = std::max(demand_.end_block, extent.physical + extent.count);
        pieces += rounded_up(extent.count, kExtentBlocksMax);
    }
    if (pieces > 4) demand_.other_blocks += rounded_up(pieces, kExtentsPerBlock / 2) + 2;
    if (node.type == NodeType::symlink) ++demand_.other_blocks;
    if (node.type == NodeType::directory) demand_.other_blocks += directory_blocks(inode);
    const Xattrs& all = nodes_.xattrs(node);
    std::uint64_t xattrs = xattr_space(all);
    if (xattrs > 0) ++demand_.other_blocks;
    if (xattrs <= kXattrBlockSpace) return;
    has_large_xattrs_ = true;
    auto count = static_cast<std::uint32_t>(all.size());
    demand_.inodes += count;
    demand_.other_blocks += count + xattrs / kBlockSize;
}

std::string InodePlan::path_of(const PlannedInode& inode) const {
    if (inode.number == kRoot) return "/";
    const PlannedInode parent = at(index_of(inode.parent));
    std::string_view name = "?";
    for_each_entry(parent, [&](const DirectoryEntry& entry) {
        if (entry.inode == inode.number) name = entry.name;
    });
    return (parent.number == kRoot ? "" : path_of(parent)) + "/" + std::string(name);
}

}  // namespace banger::image
