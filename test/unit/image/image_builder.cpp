#include "test/unit/image/image_builder.hpp"

#include <fcntl.h>

#include "test/support/catch.hpp"

namespace banger::test {

using image::LayerEntry;
using image::NodeType;

namespace {

LayerEntry entry(std::string path, NodeType type, std::uint16_t mode) {
    LayerEntry result;
    result.path = std::move(path);
    result.type = type;
    result.attributes.mode = mode;
    result.attributes.mtime = {1'700'000'000, 0};
    return result;
}

}  // namespace

LayerEntry directory(std::string path, std::uint16_t mode) {
    return entry(std::move(path), NodeType::directory, mode);
}

LayerEntry file(std::string path) {
    return entry(std::move(path), NodeType::regular, 0644);
}

LayerEntry soft_link(std::string path, std::string target) {
    LayerEntry result = entry(std::move(path), NodeType::symlink, 0777);
    result.link_target = std::move(target);
    return result;
}

LayerEntry hard_link(std::string path, std::string target) {
    LayerEntry result = file(std::move(path));
    result.is_hard_link = true;
    result.link_target = std::move(target);
    return result;
}

LayerEntry device(std::string path, NodeType type, std::uint32_t major, std::uint32_t minor) {
    LayerEntry result = entry(std::move(path), type, 0600);
    result.device_major = major;
    result.device_minor = minor;
    return result;
}

LayerEntry whiteout(std::string directory, std::string name) {
    return file(directory.empty() ? ".wh." + name : directory + "/.wh." + name);
}

std::optional<SeenNode> look(const image::StagingTree& tree, std::string_view path) {
    const auto id = tree.find(path);
    if (!id) return std::nullopt;
    const auto& nodes = tree.nodes();
    const image::Node& node = nodes[*id];
    SeenNode seen{node.type,
                  node.links,
                  node.size,
                  {node.mode,
                   node.uid,
                   node.gid,
                   {node.mtime_seconds, node.mtime_nanoseconds},
                   nodes.xattrs(node)},
                  std::string(nodes.symlink_target(node)),
                  {}};
    nodes.for_each_name(
        node, [&](std::string_view name, image::NodeId) { seen.children.emplace_back(name); });
    return seen;
}

ImageBuilder::ImageBuilder(std::string name)
    : path_(directory_ / name),
      fd_(open_file(path_, O_CREAT | O_RDWR)),
      file_(make_file_writer(fd_.get(), nullptr)),
      writer_(plan_, 0, buffers_, *file_, {}) {
    options.time = 1'600'000'000;
    options.uuid = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    options.hash_seed = {0x01234567, 0x89abcdef, 0xfedcba98, 0x76543210};
}

LayerEntry ImageBuilder::file_with(std::string path, std::string_view content) {
    LayerEntry result = file(std::move(path));
    result.size = content.size();
    writer_.begin_file();
    writer_.append(std::as_bytes(std::span(content)));
    result.extents = writer_.end_file();
    return result;
}

LayerEntry ImageBuilder::sparse_file(std::string path, std::uint64_t count, std::uint64_t stride) {
    LayerEntry result = file(std::move(path));
    result.size = count * stride;
    writer_.begin_file();
    const std::byte one{1};
    for (std::uint64_t index = 0; index < count; ++index) {
        writer_.append({&one, 1});
        writer_.skip(stride - 1);
    }
    result.extents = writer_.end_file();
    return result;
}

image::Ext4Result ImageBuilder::write(const image::StagingTree& tree) {
    writer_.finish();
    return image::write_ext4_blocking(path_, tree, options, {});
}

ReadFilesystem ImageBuilder::build(std::vector<LayerEntry> layer) {
    image::StagingTree tree;
    tree.apply(std::move(layer));
    write(tree);
    CHECK(check_e2fsck(path_) == "");
    return read_ext4(path_);
}

}  // namespace banger::test
