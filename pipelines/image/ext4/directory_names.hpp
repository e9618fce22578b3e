#pragma once

#include <cstdint>
#include <deque>
#include <string_view>
#include <vector>

#include "pipelines/image/ext4/text_pool.hpp"

namespace banger::image {

/// A node's place in its NodeStore.
using NodeId = std::uint32_t;
inline constexpr NodeId kNoNode = 0xffffffff;

/// The names of all directories, each directory's in byte order: 16 bytes a name besides its text,
/// where a std::map takes 80. A directory is a treap whose root the caller keeps, 0 for an empty
/// one. Priorities are random, so no order of names makes one deep. What is erased is forgotten,
/// its memory comes back with the whole.
class DirectoryNames {
  public:
    using Root = std::uint32_t;

    DirectoryNames();

    NodeId find(Root root, std::string_view name) const;
    /// Gives `name` to `node`; the answer is whose it was before, or kNoNode.
    NodeId put(Root& root, std::string_view name, NodeId node);
    void erase(Root& root, std::string_view name);
    /// Erases the names whose node `is_gone` says so of; it may change other directories.
    template <class Predicate>
    void erase_if(Root& root, Predicate is_gone) {
        Root kept = 0;
        for (const std::uint32_t each : in_order(root)) {
            if (is_gone(names_[each].node)) continue;
            names_[each].left = names_[each].right = 0;
            kept = merged(kept, each);
        }
        root = kept;
    }
    /// visit(std::string_view name, NodeId node), in byte order.
    template <class Visit>
    void for_each(Root root, Visit visit) const {
        std::vector<std::uint32_t> above;
        for (std::uint32_t at = root; at != 0 || !above.empty();) {
            for (; at != 0; at = names_[at].left)
                above.push_back(at);
            const Name& name = names_[above.back()];
            above.pop_back();
            visit(texts_.at(name.text), name.node);
            at = name.right;
        }
    }

  private:
    struct Name {
        std::uint32_t left = 0;
        std::uint32_t right = 0;
        NodeId node = kNoNode;
        std::uint32_t text = 0;
    };

    std::uint64_t priority(std::uint32_t name) const;
    std::vector<std::uint32_t> in_order(Root root) const;
    /// All names of `low` come before those of `high`.
    Root merged(Root low, Root high);
    void split(Root root, std::string_view name, Root& low, Root& high);

    std::deque<Name> names_;  ///< the first stands for none
    TextPool texts_;
    std::uint64_t seed_;
};

}  // namespace banger::image
