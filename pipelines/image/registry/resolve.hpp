#pragma once

#include "pipelines/image/registry/image_source.hpp"

namespace banger::image {

/// The linux/amd64 image behind a reference.
struct ResolvedImage {
    Digest digest;
    Manifest manifest;
    ConfigFile config;
    Digest source;  ///< of what the reference itself stands for: this manifest, or an index
};

/// Follows indexes (nested ones to depth 3) to the image for linux/amd64. `name` is for messages.
/// Throws Error{unsupported} listing what there is when none fits.
Task<ResolvedImage> resolve_image(ImageSource& source, std::string name);

}  // namespace banger::image
