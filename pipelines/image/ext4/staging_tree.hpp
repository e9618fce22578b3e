#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string_view>

#include "pipelines/image/ext4/layer_list.hpp"
#include "pipelines/image/ext4/node_store.hpp"
#include "pipelines/image/ext4/warning_list.hpp"

namespace banger::image {

/// The file system to be, in memory. Layers are applied in order, oldest first, with the rules of
/// image-spec layer.md: whiteouts (.wh.NAME) and opaque markers (.wh..wh..opq) act on lower layers
/// only, wherever they stand in their layer; replaced files give up their blocks; a path is
/// resolved inside the image's root as chroot(2) would, at most 40 symlinks; missing parents are
/// made 0755 root:root; hard links share one node. A bad entry throws Error{invalid_argument}
/// naming it. At most 65535 layers.
class StagingTree {
  public:
    /// Gives back the layer's memory as it goes through it. Throws Error{cancelled} when asked to
    /// stop; the tree is of no use then.
    void apply(LayerList layer, const std::stop_token& stop = {});

    const NodeStore& nodes() const { return nodes_; }
    /// The node at an absolute path, not following a last symlink.
    std::optional<NodeId> find(std::string_view path) const;
    /// Warnings for people: a dropped xattr, a file replaced by a directory.
    const WarningList& warnings() const { return warnings_; }

  private:
    NodeStore nodes_;
    std::uint16_t layers_ = 0;
    WarningList warnings_;
};

}  // namespace banger::image
