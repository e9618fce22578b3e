#pragma once

#include <functional>
#include <stop_token>

#include "pipelines/image/blob_unpacker.hpp"
#include "pipelines/image/pull.hpp"
#include "pipelines/image/registry/image_source.hpp"

namespace banger::image {

/// What a worker does with a blob; blocks.
using BlobWork = std::function<void(ReadChunk read, std::stop_token stop)>;

/// Runs `work` on the pool, with a reader of `blob`: a local one is read in place, a stream is
/// downloaded by the loop meanwhile, at most 2 MiB ahead. Throws what ended the work, or the
/// download.
Task<void> work_through(const PullContext& context, Blob& blob, StageMeter& network, BlobWork work);

}  // namespace banger::image
