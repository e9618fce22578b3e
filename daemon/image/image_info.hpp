#pragma once

#include <optional>
#include <string>

#include "daemon/api/types.hpp"

namespace banger::image {

struct PulledImage;

/// What clients see of an image that was pulled just now, without its name; `directory` is where it
/// will be published.
api::ImageInfo describe_image(const PulledImage& pulled, const std::string& id,
                              const std::string& directory);

/// The digest of the image in `directory`, as its manifest.json has it; nullopt where none can be
/// read. Blocks.
std::optional<std::string> recorded_digest_blocking(const std::string& directory);

}  // namespace banger::image
