#pragma once

#include <string>

#include "pipelines/image/ext4/ext4_writer.hpp"
#include "pipelines/image/pull.hpp"
#include "pipelines/image/registry/resolve.hpp"

namespace banger::image {

/// What makes the file system of an image the same bytes on every machine: UUID and hash seed come
/// from the manifest digest, the time from the image's own date of creation.
Ext4Options ext4_options_for(const Digest& manifest, const std::string& created,
                             std::uint64_t size);

/// Seconds since 1970 of an RFC 3339 time between 1980 and 2106; 2020-01-01 for anything else, as
/// image builders write year 1 or 0 for "no time".
std::int64_t creation_time(const std::string& rfc3339);

/// The text of manifest.json beside rootfs.ext4: what was pulled, and from which blobs.
std::string make_image_record(const PulledImage& pulled, const ResolvedImage& image);

}  // namespace banger::image
