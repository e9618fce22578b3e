#pragma once

#include <string>
#include <utility>
#include <vector>

#include "guest/vsock-agent/fd.hpp"

namespace banger::guest {

/// Directories that live on the VM's own ext4 instead of the overlay, so that overlayfs works
/// inside them (Docker) and nothing is copied up twice. At the first boot they get the image's
/// content.
class DirectDirectories {
  public:
    /// Before the switch of root: fills them and takes hold of them.
    DirectDirectories(const std::string& image, const std::string& disk);
    /// After the switch of root: mounts them over the overlay's.
    void mount();

  private:
    std::vector<std::pair<std::string, Fd>> trees_;  ///< mount point and detached bind mount
};

/// Removes a directory and what is in it, without leaving its file system.
void remove_tree(const std::string& path);

}  // namespace banger::guest
