#include "pipelines/image/ext4/tree_path.hpp"

#include "pipelines/io/error.hpp"

namespace banger::image {
namespace {

constexpr std::size_t kNameMax = 255;
constexpr std::size_t kPathMax = 4096;
constexpr std::size_t kDepthMax = 1024;
constexpr int kSymlinksMax = 40;
/// Of one path, those that symlinks on its way add and ".." included: 40 texts could hold 80,000.
constexpr int kStepsMax = 8192;

PathParts cleaned(std::string_view path, bool clamp) {
    if (path.size() > kPathMax) fail(Errc::invalid_argument, "is longer than {} bytes", kPathMax);
    if (path.find('\0') != path.npos) fail(Errc::invalid_argument, "has a NUL in its name");
    PathParts parts;
    for (std::string_view part : split_path(path)) {
        if (part != "..") {
            parts.push_back(part);
        } else if (!parts.empty()) {
            parts.pop_back();
        } else if (!clamp) {
            fail(Errc::invalid_argument, "points outside of the image");
        }
    }
    return parts;
}

/// Puts the parts of a symlink's text in front of what is left to walk (kept back to front).
void push_target(PathParts& todo, std::string_view target) {
    PathParts parts = split_path(target);
    todo.insert(todo.end(), parts.rbegin(), parts.rend());
}

/// `make` may be null, and so may `closed`.
NodeId walk(const NodeStore& nodes, std::span<const std::string_view> path,
            const MakeDirectory* make, const NodeSet* closed) {
    PathParts todo(path.rbegin(), path.rend());
    std::vector<NodeId> trail{NodeStore::kRoot};
    int symlinks = 0, steps = 0;
    while (!todo.empty()) {
        if (++steps > kStepsMax) {
            fail(Errc::invalid_argument, "is more than {} steps away, by way of symlinks",
                 kStepsMax);
        }
        std::string_view name = todo.back();
        todo.pop_back();
        if (name == "..") {
            if (trail.size() > 1) trail.pop_back();
            continue;
        }
        NodeId child = nodes.find(trail.back(), name);
        if (closed != nullptr && closed->contains(child)) return kNoNode;
        if (child != kNoNode && nodes[child].type == NodeType::symlink) {
            if (++symlinks > kSymlinksMax)
                fail(Errc::invalid_argument, "is behind a loop of symlinks");
            const auto target = nodes.symlink_target(nodes[child]);
            if (target.starts_with('/')) trail.resize(1);
            push_target(todo, target);
            continue;
        }
        if (child == kNoNode || nodes[child].type != NodeType::directory) {
            if (make == nullptr) return kNoNode;
            child = (*make)(trail.back(), name);
        }
        trail.push_back(child);
        if (trail.size() > kDepthMax)
            fail(Errc::invalid_argument, "is deeper than {} levels", kDepthMax);
    }
    return trail.back();
}

}  // namespace

PathParts split_path(std::string_view path) {
    PathParts parts;
    while (!path.empty()) {
        std::size_t end = std::min(path.find('/'), path.size());
        std::string_view part = path.substr(0, end);
        if (!part.empty() && part != ".") parts.push_back(part);
        path.remove_prefix(std::min(end + 1, path.size()));
    }
    return parts;
}

PathParts normal_path(std::string_view path) {
    PathParts parts = cleaned(path, false);
    for (std::string_view part : parts) {
        if (part.size() > kNameMax) {
            fail(Errc::invalid_argument, "has a name of more than {} bytes", kNameMax);
        }
    }
    return parts;
}

PathParts clamped_path(std::string_view path) {
    return cleaned(path, true);
}

NodeId find_directory(const NodeStore& nodes, std::span<const std::string_view> path,
                      const NodeSet* closed) {
    return walk(nodes, path, nullptr, closed);
}

NodeId resolve_directory(const NodeStore& nodes, std::span<const std::string_view> path,
                         const MakeDirectory& make) {
    return walk(nodes, path, &make, nullptr);
}

}  // namespace banger::image
