#pragma once

#include <atomic>
#include <stop_token>

#include "pipelines/image/blob_unpacker.hpp"
#include "pipelines/image/ext4/block_writer.hpp"
#include "pipelines/image/registry/manifest.hpp"
#include "pipelines/image/space_guard.hpp"
#include "pipelines/image/tar_stream.hpp"

namespace banger::image {

/// One layer on its way from a blob to blocks of the image. Everything referred to outlives the
/// call.
struct LayerJob {
    const Descriptor* blob = nullptr;  ///< null, like the next: a tar of which nothing is promised
    const Digest* diff_id = nullptr;
    Digest* found = nullptr;  ///< gets the digest of the plain tar
    ReadChunk read;
    BlobCache::Writer* copy = nullptr;  ///< gets the blob's bytes, is kept once they are verified;
                                        ///< its errors end it alone
    BlockWriter& blocks;
    ImageBudget& budget;
    const SpaceGuard& space;
    PullProfile& profile;
    std::atomic<std::uint64_t>& done;  ///< bytes of the blob taken so far
    std::stop_token stop;              ///< looked at with every chunk, compressed or not
};

/// Reads, verifies, inflates and unpacks one layer: this thread hashes and inflates the blob, a
/// second one, joined before the return, hashes the tar and cuts it into entries. Blocks: run it on
/// the pool. Throws Error{digest_mismatch} when the blob or the tar is not what the manifest
/// promised (the one explanation that outranks all others), Error{invalid_argument} for a layer
/// that is broken as built.
TarContents decode_layer_blocking(LayerJob job);

}  // namespace banger::image
