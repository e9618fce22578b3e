#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "pipelines/image/ext4/node_store.hpp"

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
using MakeDirectory = std::function<NodeId(NodeId parent, std::string_view name)>;

using NodeSet = std::unordered_set<NodeId>;

/// The directory at `path`, following symlinks inside the root as chroot(2) would; kNoNode when
/// there is none, or when the way leads through a node of `closed` (which may be null). Throws
/// Error{invalid_argument} for more than 40 symlinks, 1024 levels or 8192 steps.
NodeId find_directory(const NodeStore& nodes, std::span<const std::string_view> path,
                      const NodeSet* closed);

/// The same, but missing ones are made by `make`, which may change the store.
NodeId resolve_directory(const NodeStore& nodes, std::span<const std::string_view> path,
                         const MakeDirectory& make);

}  // namespace banger::image
