#pragma once

#include "pipelines/bundle/bundle_record.hpp"
#include "pipelines/bundle/bundle_stream.hpp"

namespace banger::bundle {

struct PulledBundle {
    ImageManifest manifest;
    std::uint64_t size = 0;        ///< bytes of the file system
    std::uint64_t used_bytes = 0;  ///< of it in use
};

/// Bundle to `<staging_dir>/rootfs.ext4` and `<staging_dir>/manifest.json` in one overlapped pass:
/// downloaded, hashed, inflated, cut into its two entries and written past the page cache, holes
/// staying holes and zeros becoming some. All of it is on disk and synced when this returns; the
/// caller publishes by renaming staging_dir. Throws Error{digest_mismatch} for another file than
/// was promised, Error{invalid_argument} for one that is no bundle, or whose rootfs.ext4 is no
/// ext4; on failure or cancellation nothing stays.
Task<PulledBundle> pull_image_bundle(image::PullContext context, BundleRequest request,
                                     ProgressSink progress);

}  // namespace banger::bundle
