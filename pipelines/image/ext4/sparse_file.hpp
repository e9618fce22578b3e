#pragma once

#include <cstdint>
#include <string>

#include "pipelines/image/ext4/block_map.hpp"

namespace banger::image {

/// Gives `path` the size of `map` and makes its free blocks read as zeros: as holes where the
/// host's file system has FALLOC_FL_PUNCH_HOLE, as written zeros where not. False in the second
/// case.
bool clear_free_blocks(const std::string& path, const BlockMap& map);

/// fsync(2) by name.
void sync_file(const std::string& path);

}  // namespace banger::image
