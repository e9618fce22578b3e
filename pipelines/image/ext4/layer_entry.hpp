#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace banger::image {

/// 4096: the only block size banger writes.
inline constexpr std::uint32_t kBlockSize = 4096;

enum class NodeType : std::uint8_t {
    directory,
    regular,
    symlink,
    char_device,
    block_device,
    fifo,
    socket
};

/// Blocks of a file that lie next to each other: file block `logical` is image block `physical`.
struct Extent {
    std::uint32_t logical = 0;
    std::uint64_t physical = 0;
    std::uint32_t count = 0;
    bool operator==(const Extent&) const = default;
};

/// A point in time as tar and ext4 know it; seconds since 1970 may be negative.
struct Timestamp {
    std::int64_t seconds = 0;
    std::uint32_t nanoseconds = 0;
    bool operator==(const Timestamp&) const = default;
};

/// Names and values are bytes; "security.capability", "user.x", "system.posix_acl_access" in the
/// on-wire (not ext4) form.
using Xattrs = std::vector<std::pair<std::string, std::string>>;

/// What a node has besides its content.
struct Attributes {
    std::uint16_t mode = 0;  ///< permission bits with setuid, setgid, sticky: 07777
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    Timestamp mtime;
    Xattrs xattrs;
    bool operator==(const Attributes&) const = default;
};

/// One tar entry of a layer, its content already in the image's blocks. Paths are raw bytes as the
/// tar has them; StagingTree normalises and resolves them.
struct LayerEntry {
    std::string path;
    NodeType type = NodeType::regular;
    bool is_hard_link = false;
    std::string link_target;  ///< a symlink's text, or the path a hard link names
    Attributes attributes;
    std::uint32_t device_major = 0;
    std::uint32_t device_minor = 0;
    std::uint64_t size = 0;  ///< bytes of a regular file
    std::vector<Extent> extents;
    bool operator==(const LayerEntry&) const = default;
};

}  // namespace banger::image
