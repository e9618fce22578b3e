#include "pipelines/image/ext4/directory_names.hpp"

#include <random>

namespace banger::image {

DirectoryNames::DirectoryNames() : names_(1), seed_(std::random_device()()) {}

/// The number's own, mixed as by splitmix64: nothing to be kept.
std::uint64_t DirectoryNames::priority(std::uint32_t name) const {
    std::uint64_t mixed = (seed_ << 32 ^ name) + 0x9e3779b97f4a7c15;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
    return mixed ^ mixed >> 31;
}

NodeId DirectoryNames::find(Root root, std::string_view name) const {
    for (std::uint32_t at = root; at != 0;) {
        const auto order = name.compare(texts_.at(names_[at].text));
        if (order == 0) return names_[at].node;
        at = order < 0 ? names_[at].left : names_[at].right;
    }
    return kNoNode;
}

NodeId DirectoryNames::put(Root& root, std::string_view name, NodeId node) {
    for (std::uint32_t at = root; at != 0;) {
        const auto order = name.compare(texts_.at(names_[at].text));
        if (order == 0) return std::exchange(names_[at].node, node);
        at = order < 0 ? names_[at].left : names_[at].right;
    }
    const auto fresh = static_cast<std::uint32_t>(names_.size());
    names_.push_back({0, 0, node, texts_.add(name)});
    std::uint32_t* link = &root;
    while (*link != 0 && priority(*link) >= priority(fresh)) {
        Name& above = names_[*link];
        link = name < texts_.at(above.text) ? &above.left : &above.right;
    }
    split(*link, name, names_[fresh].left, names_[fresh].right);
    *link = fresh;
    return kNoNode;
}

void DirectoryNames::erase(Root& root, std::string_view name) {
    std::uint32_t* link = &root;
    while (*link != 0) {
        Name& at = names_[*link];
        const auto order = name.compare(texts_.at(at.text));
        if (order == 0) {
            *link = merged(at.left, at.right);
            return;
        }
        link = order < 0 ? &at.left : &at.right;
    }
}

std::vector<std::uint32_t> DirectoryNames::in_order(Root root) const {
    std::vector<std::uint32_t> order;
    std::vector<std::uint32_t> above;
    for (std::uint32_t at = root; at != 0 || !above.empty(); at = names_[order.back()].right) {
        for (; at != 0; at = names_[at].left)
            above.push_back(at);
        order.push_back(above.back());
        above.pop_back();
    }
    return order;
}

DirectoryNames::Root DirectoryNames::merged(Root low, Root high) {
    Root root = 0;
    Root* link = &root;
    while (low != 0 && high != 0) {
        if (priority(low) >= priority(high)) {
            *link = low;
            link = &names_[low].right;
            low = *link;
        } else {
            *link = high;
            link = &names_[high].left;
            high = *link;
        }
    }
    *link = low != 0 ? low : high;
    return root;
}

void DirectoryNames::split(Root root, std::string_view name, Root& low, Root& high) {
    Root* less = &low;
    Root* more = &high;
    while (root != 0) {
        Name& at = names_[root];
        if (texts_.at(at.text) < name) {
            *less = root;
            less = &at.right;
            root = at.right;
        } else {
            *more = root;
            more = &at.left;
            root = at.left;
        }
    }
    *less = *more = 0;
}

}  // namespace banger::image
