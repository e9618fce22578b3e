#pragma once

#include <cstdint>
#include <deque>
#include <string_view>
#include <vector>

#include "pipelines/image/ext4/directory_names.hpp"
#include "pipelines/image/ext4/layer_entry.hpp"

namespace banger::image {

/// An inode of the file system to be, as small as it can be: there may be millions. What only some
/// have (names, texts, extents, xattrs) lies in tables of the NodeStore, which knows how to find it
/// by `content`, `more` and `xattrs`.
struct Node {
    std::int64_t mtime_seconds = 0;
    std::uint64_t size = 0;  ///< bytes of a regular file
    std::uint32_t mtime_nanoseconds = 0;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::uint32_t content = 0;  ///< names, text, first extent or device's major number
    std::uint32_t more = 0;     ///< count of extents, or device's minor number
    std::uint32_t xattrs = 0;
    std::uint16_t mode = 0;   ///< 07777
    std::uint16_t links = 0;  ///< names of a non-directory; 65000 at most
    std::uint16_t layer = 0;  ///< the last one that had an entry for it
    NodeType type = NodeType::directory;
};
static_assert(sizeof(Node) == 48);

/// All nodes of a file system. The first is the root. None is ever given back: a node without a
/// name is one that nobody can find.
class NodeStore {
  public:
    static constexpr NodeId kRoot = 0;
    /// Directories that no entry made. What entries make, the image's budget limits.
    static constexpr std::size_t kMaxImplied = 250'000;

    NodeStore();

    /// A node of the entry's type and content, with no attributes yet.
    NodeId add(const LayerEntry& entry);
    /// One that only paths imply. Throws Error{unsupported} beyond kMaxImplied.
    NodeId add_directory();
    void set_attributes(NodeId node, Attributes attributes);

    std::size_t size() const { return nodes_.size(); }
    const Node& operator[](NodeId node) const { return nodes_[node]; }
    Node& operator[](NodeId node) { return nodes_[node]; }

    std::vector<Extent> extents(const Node& file) const;
    std::string_view symlink_target(const Node& symlink) const;
    const Xattrs& xattrs(const Node& node) const;

    /// Of a directory; of anything else there is none.
    NodeId find(NodeId directory, std::string_view name) const;
    NodeId put(NodeId directory, std::string_view name, NodeId node) {
        return names_.put(nodes_[directory].content, name, node);
    }
    void erase(NodeId directory, std::string_view name) {
        names_.erase(nodes_[directory].content, name);
    }
    template <class Predicate>
    void erase_names_if(NodeId directory, Predicate is_gone) {
        names_.erase_if(nodes_[directory].content, is_gone);
    }
    static bool has_names(const Node& node) {
        return node.type == NodeType::directory && node.content != 0;
    }
    /// visit(std::string_view name, NodeId node), in byte order.
    template <class Visit>
    void for_each_name(const Node& directory, Visit visit) const {
        if (has_names(directory)) names_.for_each(directory.content, visit);
    }

  private:
    /// As Extent, without the gap that alignment leaves in it.
    struct PackedExtent {
        std::uint64_t physical = 0;
        std::uint32_t logical = 0;
        std::uint32_t count = 0;
    };

    NodeId add_node(NodeType type);

    std::deque<Node> nodes_;
    std::size_t implied_ = 0;
    DirectoryNames names_;
    TextPool texts_;  ///< of symlinks
    std::deque<PackedExtent> extents_;
    std::deque<Xattrs> xattrs_;  ///< the first stands for none
};

}  // namespace banger::image
