#include "pipelines/image/ext4/node_store.hpp"

#include "pipelines/io/error.hpp"

namespace banger::image {

NodeStore::NodeStore() : xattrs_(1) {
    nodes_[add_node(NodeType::directory)].mode = 0755;
}

NodeId NodeStore::add_node(NodeType type) {
    nodes_.emplace_back().type = type;
    return static_cast<NodeId>(nodes_.size() - 1);
}

NodeId NodeStore::add_directory() {
    if (implied_++ == kMaxImplied) {
        fail(Errc::unsupported, "is over the limit of {} directories that only paths imply",
             kMaxImplied);
    }
    return add_node(NodeType::directory);
}

NodeId NodeStore::add(const LayerEntry& entry) {
    const auto id = add_node(entry.type);
    Node& node = nodes_[id];
    if (entry.type == NodeType::symlink) {
        node.content = texts_.add(entry.link_target);
    } else if (entry.type == NodeType::regular) {
        node.size = entry.size;
        node.content = static_cast<std::uint32_t>(extents_.size());
        node.more = static_cast<std::uint32_t>(entry.extents.size());
        for (const Extent& extent : entry.extents)
            extents_.push_back({extent.physical, extent.logical, extent.count});
    } else if (entry.type == NodeType::char_device || entry.type == NodeType::block_device) {
        node.content = entry.device_major;
        node.more = entry.device_minor;
    }
    return id;
}

void NodeStore::set_attributes(NodeId id, Attributes attributes) {
    Node& node = nodes_[id];
    node.mode = attributes.mode;
    node.uid = attributes.uid;
    node.gid = attributes.gid;
    node.mtime_seconds = attributes.mtime.seconds;
    node.mtime_nanoseconds = attributes.mtime.nanoseconds;
    if (attributes.xattrs.empty()) {
        node.xattrs = 0;
        return;
    }
    node.xattrs = static_cast<std::uint32_t>(xattrs_.size());
    xattrs_.push_back(std::move(attributes.xattrs));
}

std::vector<Extent> NodeStore::extents(const Node& file) const {
    std::vector<Extent> extents;
    if (file.type != NodeType::regular) return extents;
    extents.reserve(file.more);
    for (std::uint32_t index = 0; index < file.more; ++index) {
        const PackedExtent& extent = extents_[file.content + index];
        extents.push_back({extent.logical, extent.physical, extent.count});
    }
    return extents;
}

std::string_view NodeStore::symlink_target(const Node& symlink) const {
    return symlink.type == NodeType::symlink ? texts_.at(symlink.content) : std::string_view{};
}

const Xattrs& NodeStore::xattrs(const Node& node) const {
    return xattrs_[node.xattrs];
}

NodeId NodeStore::find(NodeId directory, std::string_view name) const {
    const Node& node = nodes_[directory];
    return has_names(node) ? names_.find(node.content, name) : kNoNode;
}

}  // namespace banger::image
