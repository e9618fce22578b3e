#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "pipelines/image/ext4/layout.hpp"
#include "pipelines/image/ext4/staging_tree.hpp"

namespace banger::image {

/// One name in a directory. The view points into the tree.
struct DirectoryEntry {
    std::string_view name;
    std::uint32_t inode = 0;
    NodeType type = NodeType::regular;
};

/// A node of the tree with its inode number.
struct PlannedInode {
    const Node* node = nullptr;
    std::uint32_t number = 0;
    std::uint32_t parent = 0;  ///< the directory it was first met in
};

/// Numbers the tree's nodes: the root is 2, lost+found 11, then breadth first by name, so that a
/// directory's files lie next to each other in the inode table. 12 bytes a node. The tree must
/// outlive it.
class InodePlan {
  public:
    static constexpr std::uint32_t kRoot = 2;
    static constexpr std::uint32_t kLostAndFound = 11;

    /// `time`: of a lost+found that the tree does not bring.
    InodePlan(const StagingTree& tree, std::int64_t time);

    /// By ascending number, the `index`-th of size().
    std::size_t size() const { return order_.size(); }
    PlannedInode at(std::size_t index) const;
    std::uint32_t last_number() const { return number_at(order_.size() - 1); }

    /// What a directory holds, in byte order; a lost+found that was added comes first.
    std::vector<DirectoryEntry> entries(const PlannedInode& directory) const;
    const NodeStore& nodes() const { return nodes_; }
    /// For messages: "/usr/bin/env", one of its names.
    std::string path_of(const PlannedInode& inode) const;
    const Demand& demand() const { return demand_; }
    /// Some xattrs fit only in inodes of their own (feature ea_inode).
    bool has_large_xattrs() const { return has_large_xattrs_; }

  private:
    static std::uint32_t number_at(std::size_t index);
    static std::size_t index_of(std::uint32_t number);

    void add(NodeId node, std::uint32_t parent);
    void add_lost_and_found(std::int64_t time);
    void number_children(const PlannedInode& directory);
    void add_demand(const PlannedInode& inode);
    void for_each_entry(const PlannedInode& directory,
                        const std::function<void(const DirectoryEntry&)>& visit) const;
    std::uint64_t directory_blocks(const PlannedInode& directory) const;

    const NodeStore& nodes_;
    Node lost_and_found_;                 ///< where the tree has none
    std::vector<NodeId> order_;           ///< kNoNode for that one
    std::vector<std::uint32_t> parents_;  ///< inode numbers, in the same order
    std::vector<std::uint32_t> numbers_;  ///< of each node of the tree, 0 where it has no name
    Demand demand_;
    bool has_large_xattrs_ = false;
};

}  // namespace banger::image
