#pragma once

#include "pipelines/image/registry/image_source.hpp"
#include "pipelines/image/registry/layout_files.hpp"

namespace banger::image {

/// An OCI image layout (image-spec image-layout.md) in a directory. Blobs are opened below it by
/// their parsed digest, one component at a time and through no symbolic link: no name from a
/// document ever becomes a path.
std::unique_ptr<ImageSource> open_layout(const LayoutReference& reference);

/// One whose files are elsewhere. `place` is what messages call it ("the OCI layout /x"), `source`
/// how it is written without a tag ("oci:/x"), `tag` may be empty.
std::unique_ptr<ImageSource> make_layout(std::unique_ptr<LayoutFiles> files, std::string place,
                                         std::string source, std::string tag);

}  // namespace banger::image
