#pragma once

#include "pipelines/bundle/bundle_writer.hpp"

namespace banger::bundle {

struct MakeBundleOptions {
    std::string rootfs_tar;  ///< a path, or "-" for standard input; plain, gzip or zstd
    std::string oci;         ///< instead: a registry reference, oci:PATH[:TAG], …
    ImageManifest manifest;  ///< of an oci source, its configuration is added
    std::uint64_t size = 0;  ///< bytes of the file system; 0: by content
    std::string out;         ///< directory
    int level = 19;          ///< of zstd
};

/// A file system tree to an image's bundle, by way of the staging tree and the ext4 writer that a
/// pull has: what is made from an image is what pulling it would have made, and the same input
/// gives the same bytes. Works in a directory below `out`, which is gone afterwards.
Task<WrittenBundle> make_bundle(image::PullContext context, MakeBundleOptions options,
                                ProgressSink progress);

}  // namespace banger::bundle
