#pragma once

#include <string>
#include <string_view>

#include "pipelines/image/ext4/layer_entry.hpp"

namespace banger::image {

// What the names and attributes of a tar's entry may be: docs/oci-import.md, "Limits". All throw
// Error{invalid_argument} naming the entry.

/// 4096 bytes, 1024 directories, 255 bytes a name, no NUL.
void check_path(std::string_view path);
/// 1 to 4095 bytes; of the entry at `path`.
void check_link(const std::string& target, std::string_view path);
/// 64 KiB each, 256 KiB in all with their names.
void check_xattrs(const LayerEntry& entry);

}  // namespace banger::image
