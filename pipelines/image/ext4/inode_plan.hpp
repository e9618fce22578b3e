#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
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
    std::uint32_t parent = 0;             ///< the directory it was first met in
    std::vector<DirectoryEntry> entries;  ///< of a directory
};

/// Numbers the tree's nodes: the root is 2, lost+found 11, then breadth first by name, so that a
/// directory's files lie next to each other in the inode table. The tree must outlive it.
class InodePlan {
  public:
    static constexpr std::uint32_t kRoot = 2;
    static constexpr std::uint32_t kLostAndFound = 11;

    /// `time`: of a lost+found that the tree does not bring.
    InodePlan(const StagingTree& tree, std::int64_t time);

    /// By ascending number.
    std::span<const PlannedInode> inodes() const { return inodes_; }
    std::uint32_t last_number() const { return inodes_.back().number; }
    /// For messages: "/usr/bin/env", one of its names.
    std::string path_of(const PlannedInode& inode) const;
    const Demand& demand() const { return demand_; }
    /// Some xattrs fit only in inodes of their own (feature ea_inode).
    bool has_large_xattrs() const { return has_large_xattrs_; }

  private:
    void add_lost_and_found(std::int64_t time);
    void number_children(std::size_t index);
    void add_demand(const PlannedInode& inode);
    const PlannedInode& at(std::uint32_t number) const;

    Node lost_and_found_;
    std::vector<PlannedInode> inodes_;
    std::unordered_map<const Node*, std::uint32_t> hard_linked_;
    Demand demand_;
    bool has_large_xattrs_ = false;
};

}  // namespace banger::image
