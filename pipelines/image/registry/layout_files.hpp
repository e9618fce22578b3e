#pragma once

#include <optional>
#include <string>

#include "pipelines/image/registry/image_source.hpp"

namespace banger::image {

/// The files of an image layout: below a directory, or in a tar that is not unpacked.
class LayoutFiles {
  public:
    virtual ~LayoutFiles() = default;
    /// A regular file by its path within, such as blobs/sha256/<hex>. Nullopt when there is none,
    /// and for whatever else stands there: no link is followed.
    virtual std::optional<Blob> find(const std::string& path) const = 0;
};

}  // namespace banger::image
