#pragma once

#include <cstdint>
#include <stop_token>
#include <string>

#include "pipelines/bundle/bundle_record.hpp"

namespace banger::bundle {

struct WrittenBundle {
    std::string path;
    std::string sha256;      ///< lower-case hex
    std::uint64_t size = 0;  ///< bytes
};
BOOST_DESCRIBE_STRUCT(WrittenBundle, (), (path, sha256, size))

/// Packs a file system and its manifest into `directory`, under the name that follows from what
/// comes out; synced. The same input gives the same bytes: nothing of the host, of the time or of
/// where the file has holes gets in, only which of its blocks are zeros. `level` is zstd's, 1 to
/// 19. Blocks; nothing stays when it throws.
WrittenBundle write_bundle_blocking(const std::string& rootfs, const ImageManifest& manifest,
                                    const std::string& directory, int level, std::stop_token stop);

}  // namespace banger::bundle
