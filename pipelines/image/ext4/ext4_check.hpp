#pragma once

#include <cstdint>
#include <string>

namespace banger::image {

struct Ext4Facts {
    std::uint64_t size = 0;        ///< bytes of the file system
    std::uint64_t used_bytes = 0;  ///< of it in use
};

/// Whether a file holds an ext4 file system that can be mounted read-only: its superblock and group
/// descriptors are sound, all of it is there, and it was unmounted in order. No more than that is
/// looked at. `name` is for messages. Blocks. Throws Error{invalid_argument} saying what it is
/// instead.
Ext4Facts inspect_ext4_blocking(const std::string& path, const std::string& name);

}  // namespace banger::image
