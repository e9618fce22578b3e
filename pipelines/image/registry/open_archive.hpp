#pragma once

#include <memory>
#include <string>

#include "pipelines/image/pull.hpp"
#include "pipelines/image/registry/image_source.hpp"
#include "pipelines/image/registry/reference.hpp"

namespace banger::image {

/// Opens a tar of images and finds what is where in it; nothing is unpacked. A compressed one is
/// inflated once, to a file without a name in `spool_dir`. `standard_input` is what came that way,
/// spooled; it is read when the reference says so. Throws Error{invalid_argument} for what is no
/// such archive.
Task<std::unique_ptr<ImageSource>> open_archive(PullContext context, ArchiveReference reference,
                                                std::string spool_dir,
                                                std::shared_ptr<const UniqueFd> standard_input);

}  // namespace banger::image
