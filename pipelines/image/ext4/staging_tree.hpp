#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipelines/image/ext4/warning_list.hpp"

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
};

/// A point in time as tar and ext4 know it; seconds since 1970 may be negative.
struct Timestamp {
    std::int64_t seconds = 0;
    std::uint32_t nanoseconds = 0;
    bool operator==(const Timestamp&) const = default;
};

/// What a node has besides its content. Names and values of xattrs are bytes;
/// "security.capability", "user.x", "system.posix_acl_access" in the on-wire (not ext4) form.
struct Attributes {
    std::uint16_t mode = 0;  ///< permission bits with setuid, setgid, sticky: 07777
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    Timestamp mtime;
    std::vector<std::pair<std::string, std::string>> xattrs;
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
};

struct Node;

/// A directory's names, in byte order: a map that takes no room until it holds something, as most
/// nodes are no directories.
class Children {
  public:
    using Map = std::map<std::string, std::shared_ptr<Node>, std::less<>>;

    Map::const_iterator begin() const { return map().begin(); }
    Map::const_iterator end() const { return map().end(); }
    Map::const_iterator find(std::string_view name) const { return map().find(name); }
    bool contains(std::string_view name) const { return map().contains(name); }
    std::size_t size() const { return map().size(); }
    bool empty() const { return map().empty(); }

    /// The node of that name, and whether the name is new; then there is no node yet.
    std::pair<std::shared_ptr<Node>&, bool> add(std::string_view name) {
        if (!map_) map_ = std::make_unique<Map>();
        auto [place, is_new] = map_->try_emplace(std::string(name));
        return {place->second, is_new};
    }
    void erase(Map::const_iterator place) { map_->erase(place); }
    template <class Predicate>
    void erase_if(Predicate predicate) {
        if (map_) std::erase_if(*map_, predicate);
    }

  private:
    const Map& map() const {
        static const Map none;
        return map_ ? *map_ : none;
    }
    std::unique_ptr<Map> map_;
};

/// An inode of the file system to be.
struct Node {
    NodeType type = NodeType::directory;
    std::uint32_t links = 0;  ///< names of a non-directory
    Attributes attributes;
    std::string symlink_target;
    std::uint32_t device_major = 0;
    std::uint32_t device_minor = 0;
    std::uint64_t size = 0;
    std::vector<Extent> extents;
    Children children;  ///< of a directory
};

/// The file system to be, in memory. Layers are applied in order, oldest first, with the rules of
/// image-spec layer.md: whiteouts (.wh.NAME) and opaque markers (.wh..wh..opq) act on lower layers
/// only, wherever they stand in their layer; replaced files give up their blocks; a path is
/// resolved inside the image's root as chroot(2) would, at most 40 symlinks; missing parents are
/// made 0755 root:root; hard links share one node. A bad entry throws Error{invalid_argument}
/// naming it.
class StagingTree {
  public:
    StagingTree();
    void apply(std::vector<LayerEntry> layer);

    const Node& root() const { return *root_; }
    /// The node at an absolute path, not following a last symlink; null when there is none.
    const Node* find(std::string_view path) const;
    /// Warnings for people: a dropped xattr, a file replaced by a directory.
    const WarningList& warnings() const { return warnings_; }

  private:
    std::shared_ptr<Node> root_;
    WarningList warnings_;
};

}  // namespace banger::image
