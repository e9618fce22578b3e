#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "pipelines/image/ext4/staging_tree.hpp"

namespace banger::image {

/// The components of a path, without empty ones and "."; the views point into `path`.
using PathParts = std::vector<std::string_view>;

/// Components as they stand, ".." included: what a symlink's text means.
PathParts split_path(std::string_view path);

/// The normal form of a tar entry's path: "./a//b/../c" is a, c; root is empty. Throws
/// Error{invalid_argument} when it leaves the root, holds a NUL, or is longer than Linux allows.
PathParts normal_path(std::string_view path);

/// As normal_path, but ".." stops at the root: how a hard link's target is read.
PathParts clamped_path(std::string_view path);

/// Makes the directory `name` in `parent`, where nothing is, or something that is no directory.
using MakeDirectory = std::function<Node&(Node& parent, std::string_view name)>;

using NodeSet = std::unordered_set<const Node*>;

/// The directory at `path`, following symlinks inside `root` as chroot(2) would. Missing ones are
/// made by `make`; when that is empty the answer is null, as it is when the way leads through a
/// node of `closed`. Throws Error{invalid_argument} for more
/// than 40 symlinks and for more than 1024 levels.
Node* resolve_directory(Node& root, std::span<const std::string_view> path,
                        const MakeDirectory& make, const NodeSet* closed = nullptr);

}  // namespace banger::image
