#pragma once

#include "pipelines/image/registry/image_source.hpp"

namespace banger::image {

/// An OCI image layout (image-spec image-layout.md) in a directory. Blobs are opened below it by
/// their parsed digest, one component at a time and through no symbolic link: no name from a
/// document ever becomes a path.
std::unique_ptr<ImageSource> open_layout(const LayoutReference& reference);

}  // namespace banger::image
