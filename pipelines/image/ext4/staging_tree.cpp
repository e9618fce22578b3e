#include "pipelines/image/ext4/staging_tree.hpp"

#include <fmt/format.h>

#include <unordered_map>

#include "pipelines/image/ext4/tree_path.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/utf8.hpp"

namespace banger::image {
namespace {

constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";
constexpr std::string_view kAufsMetadata = ".wh..wh.";
constexpr std::string_view kAufsLinks = ".wh..wh.plnk";
constexpr std::size_t kSymlinkMax = 4095;
constexpr std::uint32_t kLinksMax = 65000;    // EXT4_LINK_MAX
constexpr std::size_t kXattrMax = 64 * 1024;  // XATTR_SIZE_MAX
constexpr std::uint64_t kSizeMax = 0xffffffffULL * kBlockSize;
constexpr std::uint32_t kMajorMax = (1U << 12) - 1;  // what a Linux dev_t of ext4 holds
constexpr std::uint32_t kMinorMax = (1U << 20) - 1;

enum class Kind { ordinary, whiteout, opaque, aufs };

Kind kind_of(const PathParts& path) {
    if (path.empty()) return Kind::ordinary;
    std::string_view name = path.back();
    if (name == kOpaque) return Kind::opaque;
    if (path.front().starts_with(kAufsMetadata) || name.starts_with(kAufsMetadata))
        return Kind::aufs;
    if (!name.starts_with(kWhiteout)) return Kind::ordinary;
    std::string_view hidden = name.substr(kWhiteout.size());
    if (hidden.empty() || hidden == "." || hidden == "..") {
        fail(Errc::invalid_argument, "is a whiteout of nothing that can be named");
    }
    return Kind::whiteout;
}

/// One layer on its way into the tree.
class LayerMerge {
  public:
    LayerMerge(NodeStore& nodes, std::uint16_t number, WarningList& warnings,
               const std::stop_token& stop)
        : nodes_(nodes), number_(number), warnings_(warnings), stop_(stop) {}

    void run(LayerList& layer) {
        bool has_whiteouts = false;
        layer.for_each([&](LayerEntry& entry) {
            named(entry, [&] { has_whiteouts |= is_whiteout(kind_of(normal_path(entry.path))); });
        });
        // Whiteouts first, wherever they stand: they concern lower layers only.
        std::vector<std::string> later;
        if (has_whiteouts) hide_lower(layer, later);
        layer.consume([&](LayerEntry& entry) { named(entry, [&] { add(entry); }); });
        // A whiteout may stand behind a symlink that only this layer brings. From here on names
        // only go, so no directory needs to be looked through twice.
        is_last_phase_ = true;
        LayerEntry marker;
        for (std::string& path : later) {
            marker.path = std::move(path);
            named(marker, [&] { hide(normal_path(marker.path), nullptr); });
        }
    }

  private:
    /// Runs `step` for an entry; its errors then begin with the entry's name.
    template <class Step>
    void named(const LayerEntry& entry, Step step) {
        if (stop_.stop_requested()) fail(Errc::cancelled, "the merge was cancelled");
        current_ = &entry;
        try {
            step();
        } catch (const Error& error) {
            fail(error.code(), "layer entry '{}' {}", printable(entry.path), error.what());
        }
    }

    static bool is_whiteout(Kind kind) { return kind == Kind::whiteout || kind == Kind::opaque; }

    static std::span<const std::string_view> parents_of(const PathParts& path) {
        return std::span(path).first(path.size() - 1);
    }

    /// Does what whiteouts ask for; those that must wait for the layer's own entries go to `later`.
    void hide_lower(const LayerList& layer, std::vector<std::string>& later) {
        const NodeSet replaced = replaced_by(layer);
        layer.for_each([&](LayerEntry& entry) {
            named(entry, [&] {
                const PathParts path = normal_path(entry.path);
                if (is_whiteout(kind_of(path)) && !hide(path, &replaced)) {
                    later.push_back(entry.path);
                }
            });
        });
    }

    /// Directories and symlinks of lower layers that stop being the way this layer's paths go. A
    /// whiteout behind one means what this layer puts in its place: following the old symlink, it
    /// would empty a directory that nobody asked to change.
    NodeSet replaced_by(const LayerList& layer) {
        NodeSet replaced;
        layer.for_each([&](LayerEntry& entry) {
            const PathParts path = normal_path(entry.path);
            if (path.empty() || kind_of(path) != Kind::ordinary) return;
            const NodeId node = find_lower(path, replaced);
            if (node != kNoNode && is_other_way(entry, nodes_[node])) replaced.insert(node);
        });
        return replaced;
    }

    NodeId find_lower(const PathParts& path, const NodeSet& replaced) try {
        const NodeId directory = find_directory(nodes_, parents_of(path), &replaced);
        return directory == kNoNode ? kNoNode : nodes_.find(directory, path.back());
    } catch (const Error&) {
        return kNoNode;  // Whiteouts may yet mend it; otherwise add() fails, naming the entry.
    }

    /// Whether paths through `node` lead elsewhere once `entry` stands in its place.
    bool is_other_way(const LayerEntry& entry, const Node& node) const {
        if (node.type != NodeType::directory && node.type != NodeType::symlink) return false;
        if (entry.is_hard_link || entry.type != node.type) return true;
        return node.type == NodeType::symlink && entry.link_target != nodes_.symlink_target(node);
    }

    /// False when the directory it stands in does not exist, or lies behind a `closed` node.
    bool hide(const PathParts& path, const NodeSet* closed) {
        const NodeId directory = find_directory(nodes_, parents_of(path), closed);
        if (directory == kNoNode) return false;
        if (kind_of(path) == Kind::opaque) {
            empty(directory);
            return true;
        }
        const std::string_view name = path.back().substr(kWhiteout.size());
        const NodeId found = nodes_.find(directory, name);
        if (found != kNoNode && remove_lower(found)) nodes_.erase(directory, name);
        return true;
    }

    bool is_fresh(NodeId node) const { return nodes_[node].layer == number_; }

    /// Removes what is not of this layer from a directory.
    void empty(NodeId directory) {
        if (is_last_phase_ && !emptied_.insert(directory).second) return;
        nodes_.erase_names_if(directory, [this](NodeId child) { return remove_lower(child); });
    }

    /// The same of any node; true when nothing of it is left.
    bool remove_lower(NodeId id) {
        Node& node = nodes_[id];
        if (node.type != NodeType::directory) {
            if (!is_fresh(id)) --node.links;
            return !is_fresh(id);
        }
        empty(id);
        return !is_fresh(id) && !NodeStore::has_names(node);
    }

    void add(LayerEntry& entry) {
        const PathParts path = normal_path(entry.path);
        const Kind kind = kind_of(path);
        if (kind == Kind::aufs) return keep_aufs_link(path, entry);
        if (kind != Kind::ordinary) return;
        if (path.empty()) return set_root(entry);
        const NodeId parent = resolve_directory(
            nodes_, parents_of(path),
            [this](NodeId above, std::string_view name) { return make_parent(above, name); });
        if (entry.is_hard_link) return add_hard_link(parent, path.back(), entry);
        if (entry.type == NodeType::directory) {
            const NodeId found = nodes_.find(parent, path.back());
            if (found != kNoNode && nodes_[found].type == NodeType::directory) {
                nodes_.set_attributes(found, checked_attributes(entry));
                nodes_[found].layer = number_;
                return;
            }
        }
        put(parent, path.back(), new_node(entry));
    }

    void set_root(LayerEntry& entry) {
        if (entry.type != NodeType::directory || entry.is_hard_link) {
            fail(Errc::invalid_argument, "would replace the root directory");
        }
        nodes_.set_attributes(NodeStore::kRoot, checked_attributes(entry));
    }

    void add_hard_link(NodeId parent, std::string_view name, const LayerEntry& entry) {
        if (entry.size > 0) fail(Errc::invalid_argument, "is a hard link with content");
        const NodeId target = find_link_target(parent, name, entry);
        if (nodes_.find(parent, name) == target) return;
        if (nodes_[target].links >= kLinksMax) {
            fail(Errc::invalid_argument, "is hard link number {}; ext4 allows {}", kLinksMax + 1,
                 kLinksMax);
        }
        put(parent, name, target);
    }

    NodeId find_link_target(NodeId parent, std::string_view name, const LayerEntry& entry) {
        PathParts path = clamped_path(entry.link_target);
        if (path.size() == 2 && path[0] == kAufsLinks) {
            if (auto found = aufs_links_.find(std::string(path[1])); found != aufs_links_.end())
                return found->second;
        }
        // What the link takes the place of is gone before the link is made, as in any unpacker.
        NodeSet gone;
        if (const NodeId old = nodes_.find(parent, name); old != kNoNode) gone.insert(old);
        NodeId directory = kNoNode;
        if (!path.empty()) directory = find_directory(nodes_, parents_of(path), &gone);
        const NodeId found = directory == kNoNode ? kNoNode : nodes_.find(directory, path.back());
        if (found == kNoNode) {
            fail(Errc::invalid_argument, "is a hard link to '{}', which is not there",
                 entry.link_target);
        }
        if (directory == parent && path.back() == name) {
            fail(Errc::invalid_argument, "is a hard link to itself");
        }
        if (nodes_[found].type == NodeType::directory) {
            fail(Errc::invalid_argument, "is a hard link to the directory '{}'", entry.link_target);
        }
        return found;
    }

    /// aufs kept its hard links' content as .wh..wh.plnk/NUMBER; the names themselves are no files.
    void keep_aufs_link(const PathParts& path, LayerEntry& entry) {
        if (path.size() != 2 || path[0] != kAufsLinks) return;
        if (entry.type != NodeType::regular || entry.is_hard_link) return;
        aufs_links_[std::string(path[1])] = new_node(entry);
    }

    void put(NodeId parent, std::string_view name, NodeId id) {
        Node& node = nodes_[id];
        node.layer = number_;
        if (node.type != NodeType::directory) ++node.links;
        const NodeId old = nodes_.put(parent, name, id);
        if (old != kNoNode) drop_name(old);
    }

    /// Takes one name from a node; of a directory, from everything below it.
    void drop_name(NodeId dropped) {
        std::vector<NodeId> todo{dropped};
        while (!todo.empty()) {
            Node& node = nodes_[todo.back()];
            todo.pop_back();
            if (node.type != NodeType::directory) --node.links;
            nodes_.for_each_name(
                node, [&todo](std::string_view, NodeId child) { todo.push_back(child); });
        }
    }

    NodeId make_parent(NodeId parent, std::string_view name) {
        if (name.size() > 255)
            fail(Errc::invalid_argument, "is behind a symlink to too long a name");
        if (nodes_.find(parent, name) != kNoNode) {
            warnings_.add(
                fmt::format("'{}' is no directory; '{}' made it one", name, current_->path));
        }
        const NodeId made = nodes_.add_directory();
        Attributes attributes;
        attributes.mode = 0755;
        attributes.mtime = current_->attributes.mtime;
        nodes_.set_attributes(made, std::move(attributes));
        put(parent, name, made);
        return made;
    }

    NodeId new_node(LayerEntry& entry) {
        check_content(entry);
        Attributes attributes = checked_attributes(entry);
        const NodeId made = nodes_.add(entry);
        nodes_.set_attributes(made, std::move(attributes));
        return made;
    }

    static void check_content(const LayerEntry& entry) {
        if (entry.type == NodeType::symlink) {
            if (entry.link_target.empty()) fail(Errc::invalid_argument, "is a symlink to nothing");
            if (entry.link_target.size() > kSymlinkMax) {
                fail(Errc::invalid_argument, "is a symlink of more than {} bytes", kSymlinkMax);
            }
            if (entry.link_target.find('\0') != std::string::npos) {
                fail(Errc::invalid_argument, "is a symlink with a NUL in its text");
            }
        }
        if (entry.size > kSizeMax) {
            fail(Errc::invalid_argument, "is larger than the {} bytes that ext4 allows", kSizeMax);
        }
        if (entry.device_major > kMajorMax || entry.device_minor > kMinorMax) {
            fail(Errc::invalid_argument, "has device number {}:{}, beyond what Linux has",
                 entry.device_major, entry.device_minor);
        }
    }

    Attributes checked_attributes(LayerEntry& entry) {
        Attributes attributes = std::move(entry.attributes);
        attributes.mode &= 07777;
        std::erase_if(attributes.xattrs,
                      [&](const auto& xattr) { return !keep_xattr(entry, xattr); });
        return attributes;
    }

    bool keep_xattr(const LayerEntry& entry, const std::pair<std::string, std::string>& xattr) {
        const auto& [name, value] = xattr;
        bool known = name.starts_with("user.") || name.starts_with("security.") ||
                     name.starts_with("trusted.") || name == "system.posix_acl_access" ||
                     name == "system.posix_acl_default";
        if (!known || name.starts_with("trusted.overlay.")) {
            warnings_.add(fmt::format("xattr {} of '{}' is dropped", name, entry.path));
            return false;
        }
        if (name.ends_with('.') || name.size() > 255 || name.find('\0') != std::string::npos) {
            fail(Errc::invalid_argument, "has an xattr with a bad name");
        }
        if (value.size() > kXattrMax) {
            fail(Errc::invalid_argument, "has an xattr {} of {} bytes; at most {} are possible",
                 name, value.size(), kXattrMax);
        }
        return true;
    }

    NodeStore& nodes_;
    const std::uint16_t number_;
    WarningList& warnings_;
    const std::stop_token& stop_;
    const LayerEntry* current_ = nullptr;
    bool is_last_phase_ = false;
    NodeSet emptied_;  ///< in the last phase
    std::unordered_map<std::string, NodeId> aufs_links_;
};

}  // namespace

void StagingTree::apply(LayerList layer, const std::stop_token& stop) {
    LayerMerge(nodes_, ++layers_, warnings_, stop).run(layer);
}

std::optional<NodeId> StagingTree::find(std::string_view path) const {
    const PathParts parts = clamped_path(path);
    if (parts.empty()) return NodeStore::kRoot;
    const NodeId directory =
        find_directory(nodes_, std::span(parts).first(parts.size() - 1), nullptr);
    const NodeId found = directory == kNoNode ? kNoNode : nodes_.find(directory, parts.back());
    return found == kNoNode ? std::nullopt : std::optional(found);
}

}  // namespace banger::image
