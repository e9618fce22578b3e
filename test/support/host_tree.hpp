#pragma once

#include <string>
#include <vector>

#include "test/support/ext4_reader.hpp"

namespace banger::test {

/// Everything below a directory of this machine, in the words of read_ext4(): "/" is the directory
/// itself; no extents, no is_indexed. Sorted by path. Throws std::runtime_error.
std::vector<ReadEntry> read_host_tree(const std::string& directory);

/// What two trees are allowed to differ in.
struct TreeRules {
    /// Directories of the second tree that are younger than this (seconds since 1970) were made in
    /// passing, at a time of their maker's choosing.
    std::int64_t made_since = 0;
    bool xattrs = true;  ///< false where the host's file system takes none
};

/// How the second tree is not the first, one sentence for each path; empty when they are equal.
/// Compared: types, modes, owners, times, xattrs, link targets, which names are one file, device
/// numbers, contents. Not compared: lost+found, which every ext4 has; a symlink's mode, which Linux
/// does not let anyone set; how many links a directory has.
std::vector<std::string> tree_differences(const std::vector<ReadEntry>& ours,
                                          const std::vector<ReadEntry>& theirs,
                                          const TreeRules& rules);

}  // namespace banger::test
