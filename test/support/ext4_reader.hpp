#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace banger::test {

/// Blocks of a file that lie next to each other; what no extent covers is a hole.
struct ReadExtent {
    std::uint64_t logical = 0;
    std::uint64_t physical = 0;
    std::uint64_t count = 0;
};

/// One name in an ext4 and the inode behind it.
struct ReadEntry {
    std::string path;        ///< "/", "/etc/passwd"
    char type = '?';         ///< as find -printf %y prints it: d f l c b p s
    std::uint32_t mode = 0;  ///< 07777
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::int64_t mtime = 0;
    std::uint32_t mtime_ns = 0;
    std::map<std::string, std::string> xattrs;
    std::string link_target;  ///< of a symlink
    std::uint32_t inode = 0;  ///< the same for all names of a hard-linked file
    std::uint32_t nlink = 0;
    std::uint32_t device_major = 0;
    std::uint32_t device_minor = 0;
    std::uint64_t size = 0;
    std::string sha256;               ///< of a regular file's content, hex
    std::vector<ReadExtent> extents;  ///< of a regular file
    bool is_indexed = false;          ///< a directory with a hash tree
};

struct ReadFilesystem {
    std::uint64_t size = 0;
    std::uint64_t free_bytes = 0;
    std::uint32_t inodes = 0;
    std::uint32_t free_inodes = 0;
    std::array<std::uint8_t, 16> uuid{};
    std::string label;
    bool has_journal = false;
    std::vector<ReadEntry> entries;  ///< sorted by path

    /// Null when there is no such path.
    const ReadEntry* find(std::string_view path) const;
    /// As find; throws when there is none.
    const ReadEntry& at(std::string_view path) const;
};

/// Everything in an unmounted ext4, read with libext2fs. Throws std::runtime_error, also for what
/// claims to be larger than `largest` bytes: all of it would be read.
ReadFilesystem read_ext4(const std::string& path, std::uint64_t largest = 1ULL << 40);

/// What `e2fsck -fn` complains about; empty when it exits with 0.
std::string check_e2fsck(const std::string& path);

}  // namespace banger::test
