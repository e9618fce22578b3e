#include "pipelines/image/ext4/staging_tree.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "pipelines/image/ext4/tree_path.hpp"
#include "pipelines/io/error.hpp"

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

struct Item {
    LayerEntry* entry = nullptr;
    PathParts path;
    Kind kind = Kind::ordinary;
};

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

/// A path as a message can show it.
std::string printable(std::string path) {
    std::replace_if(
        path.begin(), path.end(), [](unsigned char each) { return each < ' ' || each == 0x7f; },
        '?');
    return path;
}

/// Takes one name from a node; of a directory, from everything below it.
void drop_name(Node& node) {
    if (node.type != NodeType::directory) --node.links;
    for (const auto& [name, child] : node.children)
        drop_name(*child);
}

/// One layer on its way into the tree.
class LayerMerge {
  public:
    LayerMerge(Node& root, WarningList& warnings) : root_(root), warnings_(warnings) {}

    void run(std::vector<LayerEntry>& layer) {
        std::vector<Item> items;
        items.reserve(layer.size());
        for (LayerEntry& entry : layer) {
            named(entry, [&] {
                PathParts path = normal_path(entry.path);
                Kind kind = kind_of(path);
                items.push_back({&entry, std::move(path), kind});
            });
        }
        // Whiteouts first, wherever they stand: they concern lower layers only.
        const NodeSet replaced = replaced_by(items);
        std::vector<Item*> later;
        for (Item& item : items) {
            if (!is_whiteout(item)) continue;
            named(*item.entry, [&] {
                if (!hide(item, &replaced)) later.push_back(&item);
            });
        }
        for (Item& item : items)
            named(*item.entry, [&] { add(item); });
        // A whiteout may stand behind a symlink that only this layer brings.
        for (Item* item : later)
            named(*item->entry, [&] { hide(*item, nullptr); });
    }

  private:
    /// Runs `step` for an entry; its errors then begin with the entry's name.
    template <class Step>
    void named(const LayerEntry& entry, Step step) {
        current_ = &entry;
        try {
            step();
        } catch (const Error& error) {
            fail(error.code(), "layer entry '{}' {}", printable(entry.path), error.what());
        }
    }

    static bool is_whiteout(const Item& item) {
        return item.kind == Kind::whiteout || item.kind == Kind::opaque;
    }

    static std::span<const std::string_view> parents_of(const Item& item) {
        return std::span(item.path).first(item.path.size() - 1);
    }

    /// Directories and symlinks of lower layers that stop being the way this layer's paths go. A
    /// whiteout behind one means what this layer puts in its place: following the old symlink, it
    /// would empty a directory that nobody asked to change.
    NodeSet replaced_by(const std::vector<Item>& items) {
        NodeSet replaced;
        if (std::none_of(items.begin(), items.end(), is_whiteout)) return replaced;
        for (const Item& item : items) {
            if (item.kind != Kind::ordinary || item.path.empty()) continue;
            const Node* node = find_lower(item, replaced);
            if (node != nullptr && is_other_way(*item.entry, *node)) replaced.insert(node);
        }
        return replaced;
    }

    const Node* find_lower(const Item& item, const NodeSet& replaced) try {
        Node* directory = resolve_directory(root_, parents_of(item), nullptr, &replaced);
        if (directory == nullptr) return nullptr;
        auto found = directory->children.find(item.path.back());
        return found == directory->children.end() ? nullptr : found->second.get();
    } catch (const Error&) {
        return nullptr;  // Whiteouts may yet mend it; otherwise add() fails, naming the entry.
    }

    /// Whether paths through `node` lead elsewhere once `entry` stands in its place.
    static bool is_other_way(const LayerEntry& entry, const Node& node) {
        if (node.type != NodeType::directory && node.type != NodeType::symlink) return false;
        if (entry.is_hard_link || entry.type != node.type) return true;
        return node.type == NodeType::symlink && entry.link_target != node.symlink_target;
    }

    /// False when the directory it stands in does not exist, or lies behind a `closed` node.
    bool hide(const Item& item, const NodeSet* closed) {
        Node* directory = resolve_directory(root_, parents_of(item), nullptr, closed);
        if (directory == nullptr) return false;
        auto& children = directory->children;
        if (item.kind == Kind::opaque) {
            children.erase_if([&](auto& child) { return remove_lower(*child.second); });
            return true;
        }
        auto found = children.find(item.path.back().substr(kWhiteout.size()));
        if (found != children.end() && remove_lower(*found->second)) children.erase(found);
        return true;
    }

    /// Removes what is not of this layer; true when nothing of `node` is left.
    bool remove_lower(Node& node) {
        const bool fresh = fresh_.contains(&node);
        if (node.type != NodeType::directory) {
            if (!fresh) --node.links;
            return !fresh;
        }
        node.children.erase_if([&](auto& child) { return remove_lower(*child.second); });
        return !fresh && node.children.empty();
    }

    void add(Item& item) {
        if (item.kind == Kind::aufs) return keep_aufs_link(item);
        if (item.kind != Kind::ordinary) return;
        LayerEntry& entry = *item.entry;
        if (item.path.empty()) return set_root(entry);
        Node& parent = *resolve_directory(root_, parents_of(item),
                                          [this](Node& above, std::string_view name) -> Node& {
                                              return make_parent(above, name);
                                          });
        if (entry.is_hard_link) return add_hard_link(parent, item.path.back(), entry);
        if (entry.type == NodeType::directory) {
            auto found = parent.children.find(item.path.back());
            if (found != parent.children.end() && found->second->type == NodeType::directory) {
                found->second->attributes = checked_attributes(entry);
                fresh_.insert(found->second.get());
                return;
            }
        }
        put(parent, item.path.back(), new_node(entry));
    }

    void set_root(LayerEntry& entry) {
        if (entry.type != NodeType::directory || entry.is_hard_link) {
            fail(Errc::invalid_argument, "would replace the root directory");
        }
        root_.attributes = checked_attributes(entry);
    }

    void add_hard_link(Node& parent, std::string_view name, const LayerEntry& entry) {
        if (entry.size > 0) fail(Errc::invalid_argument, "is a hard link with content");
        std::shared_ptr<Node> target = find_link_target(parent, name, entry);
        auto found = parent.children.find(name);
        if (found != parent.children.end() && found->second == target) return;
        put(parent, name, std::move(target));
    }

    std::shared_ptr<Node> find_link_target(const Node& parent, std::string_view name,
                                           const LayerEntry& entry) {
        PathParts path = clamped_path(entry.link_target);
        if (path.size() == 2 && path[0] == kAufsLinks) {
            if (auto found = aufs_links_.find(path[1]); found != aufs_links_.end())
                return found->second;
        }
        // What the link takes the place of is gone before the link is made, as in any unpacker.
        NodeSet gone;
        if (auto old = parent.children.find(name); old != parent.children.end())
            gone.insert(old->second.get());
        Node* directory = nullptr;
        if (!path.empty()) {
            directory =
                resolve_directory(root_, std::span(path).first(path.size() - 1), nullptr, &gone);
        }
        auto missing = [&] {
            fail(Errc::invalid_argument, "is a hard link to '{}', which is not there",
                 entry.link_target);
        };
        if (directory == nullptr) missing();
        auto found = directory->children.find(path.back());
        if (found == directory->children.end()) missing();
        if (directory == &parent && path.back() == name) {
            fail(Errc::invalid_argument, "is a hard link to itself");
        }
        if (found->second->type == NodeType::directory) {
            fail(Errc::invalid_argument, "is a hard link to the directory '{}'", entry.link_target);
        }
        if (found->second->links >= kLinksMax) {
            fail(Errc::invalid_argument, "is hard link number {}; ext4 allows {}", kLinksMax + 1,
                 kLinksMax);
        }
        return found->second;
    }

    /// aufs kept its hard links' content as .wh..wh.plnk/NUMBER; the names themselves are no files.
    void keep_aufs_link(Item& item) {
        if (item.path.size() != 2 || item.path[0] != kAufsLinks) return;
        if (item.entry->type != NodeType::regular || item.entry->is_hard_link) return;
        aufs_links_[item.path[1]] = new_node(*item.entry);
    }

    void put(Node& parent, std::string_view name, std::shared_ptr<Node> node) {
        fresh_.insert(node.get());
        if (node->type != NodeType::directory) ++node->links;
        auto [place, is_new] = parent.children.add(name);
        if (!is_new) drop_name(*place);
        place = std::move(node);
    }

    Node& make_parent(Node& parent, std::string_view name) {
        if (name.size() > 255)
            fail(Errc::invalid_argument, "is behind a symlink to too long a name");
        if (parent.children.contains(name)) {
            warnings_.add(
                fmt::format("'{}' is no directory; '{}' made it one", name, current_->path));
        }
        auto node = std::make_shared<Node>();
        node->attributes.mode = 0755;
        node->attributes.mtime = current_->attributes.mtime;
        put(parent, name, node);
        return *node;
    }

    std::shared_ptr<Node> new_node(LayerEntry& entry) {
        check_content(entry);
        auto node = std::make_shared<Node>();
        node->type = entry.type;
        node->attributes = checked_attributes(entry);
        node->device_major = entry.device_major;
        node->device_minor = entry.device_minor;
        if (entry.type == NodeType::symlink) node->symlink_target = std::move(entry.link_target);
        if (entry.type == NodeType::regular) {
            node->size = entry.size;
            node->extents = std::move(entry.extents);
        }
        return node;
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

    Node& root_;
    WarningList& warnings_;
    const LayerEntry* current_ = nullptr;
    NodeSet fresh_;
    std::unordered_map<std::string_view, std::shared_ptr<Node>> aufs_links_;
};

}  // namespace

StagingTree::StagingTree() : root_(std::make_shared<Node>()) {
    root_->attributes.mode = 0755;
}

void StagingTree::apply(std::vector<LayerEntry> layer) {
    LayerMerge(*root_, warnings_).run(layer);
}

const Node* StagingTree::find(std::string_view path) const {
    PathParts parts = clamped_path(path);
    if (parts.empty()) return root_.get();
    Node* directory = resolve_directory(*root_, std::span(parts).first(parts.size() - 1), nullptr);
    if (directory == nullptr) return nullptr;
    auto found = directory->children.find(parts.back());
    return found == directory->children.end() ? nullptr : found->second.get();
}

}  // namespace banger::image
