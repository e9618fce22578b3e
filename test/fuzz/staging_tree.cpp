#include "pipelines/image/ext4/staging_tree.hpp"

#include <map>
#include <set>

#include "pipelines/io/error.hpp"
#include "test/fuzz/fuzz.hpp"

using namespace banger;
using image::LayerEntry;
using image::Node;
using image::NodeId;
using image::NodeStore;
using image::NodeType;

namespace {

/// A short path of few different names, so that entries meet; some are whiteouts, some raw bytes.
std::string path_from(fuzz::Choices& choices) {
    std::string path;
    for (auto parts = choices.next() % 4 + 1; parts > 0; --parts) {
        const auto choice = choices.next();
        const std::string name(1, static_cast<char>('a' + choice % 4));
        if (!path.empty()) path += '/';
        switch (choice / 16) {
            case 0:
                path += ".wh." + name;
                break;
            case 1:
                path += ".wh..wh..opq";
                break;
            case 2:
                path += "..";
                break;
            case 3:
                path += ".wh..wh.plnk/" + name;
                break;
            case 4:
                path += choices.text(choices.next() % 8);
                break;
            case 5:
                path.insert(0, "/");
                break;
            default:
                path += name;
        }
    }
    return path;
}

LayerEntry entry_from(fuzz::Choices& choices) {
    static constexpr NodeType kTypes[] = {NodeType::directory, NodeType::regular, NodeType::symlink,
                                          NodeType::fifo};
    LayerEntry entry;
    const auto kind = choices.next();
    entry.path = path_from(choices);
    entry.type = kTypes[kind % 4];
    entry.is_hard_link = kind % 16 >= 12;
    if (entry.is_hard_link || entry.type == NodeType::symlink)
        entry.link_target = (kind & 16 ? "/" : "") + path_from(choices);
    return entry;
}

/// Counts the names of each file; directories have one place and names that a path can have.
void walk(const NodeStore& nodes, NodeId id, std::map<NodeId, std::uint32_t>& names,
          std::size_t depth) {
    const Node& node = nodes[id];
    fuzz::promise(depth <= 1100);
    fuzz::promise(++names[id] == 1 || node.type != NodeType::directory);
    std::string last;
    nodes.for_each_name(node, [&](std::string_view text, NodeId child) {
        fuzz::promise(node.type == NodeType::directory);
        fuzz::promise(!text.empty() && text != "." && text != ".." && text.size() <= 255);
        fuzz::promise(text.find('/') == text.npos && text.find('\0') == text.npos);
        fuzz::promise(last < text && nodes.find(id, text) == child);
        last = text;
        walk(nodes, child, names, depth + 1);
    });
}

}  // namespace

/// Layers made of the input; after each one the tree is a tree and link counts are true.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Choices choices(fuzz::as_text(data, size));
    image::StagingTree tree;
    try {
        while (!choices.empty()) {
            std::vector<LayerEntry> layer;
            for (auto count = choices.next() % 16; count > 0 && !choices.empty(); --count)
                layer.push_back(entry_from(choices));
            tree.apply(std::move(layer));
            std::map<NodeId, std::uint32_t> names;
            walk(tree.nodes(), image::NodeStore::kRoot, names, 0);
            for (const auto& [id, count] : names) {
                const Node& node = tree.nodes()[id];
                fuzz::promise(node.type == NodeType::directory || node.links == count);
            }
        }
        fuzz::accept();
    } catch (const Error&) {
    }
    return 0;
}
