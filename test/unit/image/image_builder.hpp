#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipelines/image/ext4/block_writer.hpp"
#include "pipelines/image/ext4/ext4_writer.hpp"
#include "pipelines/image/ext4/staging_tree.hpp"
#include "pipelines/io/unique_fd.hpp"
#include "test/support/ext4_reader.hpp"
#include "test/support/temp_dir.hpp"

namespace banger::test {

/// Layer entries as a tar would give them, with the attributes a test does not care about filled
/// in.
image::LayerEntry directory(std::string path, std::uint16_t mode = 0755);
image::LayerEntry file(std::string path);
image::LayerEntry soft_link(std::string path, std::string target);
image::LayerEntry hard_link(std::string path, std::string target);
image::LayerEntry device(std::string path, image::NodeType type, std::uint32_t major,
                         std::uint32_t minor);
image::LayerEntry whiteout(std::string directory, std::string name);

/// All that a tree knows of a node.
struct SeenNode {
    image::NodeType type;
    std::uint32_t links;
    std::uint64_t size;
    image::Attributes attributes;
    std::string symlink_target;
    std::vector<std::string> children;  ///< names, in the tree's order
};
std::optional<SeenNode> look(const image::StagingTree& tree, std::string_view path);

/// An ext4 made the way a pull makes it: contents by BlockWriter, then the tree around them.
class ImageBuilder {
  public:
    explicit ImageBuilder(std::string name = "image.ext4");

    /// An entry whose content is in the image already.
    image::LayerEntry file_with(std::string path, std::string_view content);
    /// One byte at the start of each `stride` bytes, holes between.
    image::LayerEntry sparse_file(std::string path, std::uint64_t count, std::uint64_t stride);

    image::Ext4Result write(const image::StagingTree& tree);
    /// write(), and e2fsck must find nothing.
    ReadFilesystem build(std::vector<image::LayerEntry> layer);

    const std::string& path() const { return path_; }
    image::Ext4Options options;

  private:
    TempDir directory_;
    std::string path_;
    image::SlabPlan plan_{{1}};
    BufferPool buffers_{2};
    UniqueFd fd_;
    std::unique_ptr<FileWriter> file_;
    image::BlockWriter writer_;
};

}  // namespace banger::test
