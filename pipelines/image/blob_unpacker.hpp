#pragma once

#include <atomic>
#include <functional>
#include <span>
#include <stop_token>
#include <string>

#include "pipelines/image/blob_cache.hpp"
#include "pipelines/image/chunk_queue.hpp"
#include "pipelines/image/pull_profile.hpp"
#include "pipelines/io/byte_pipe.hpp"
#include "pipelines/io/digest.hpp"

namespace banger::image {

/// Puts the next piece of a blob into the chunk (which may bring memory along for reuse, or none);
/// false at the end. Pieces are full but for the last. Blocks.
using ReadChunk = std::function<bool(Chunk&)>;

/// One blob on its way to whoever reads what is in it. Everything referred to outlives the call.
struct BlobJob {
    std::string name;                ///< for messages: "layer 0123456789ab"
    const Digest* digest = nullptr;  ///< null: nothing was promised of it
    std::uint64_t size = 0;          ///< bytes, compressed, where something was
    ReadChunk read;
    BlobCache::Writer* copy = nullptr;  ///< gets the blob's bytes, is kept once they are verified;
                                        ///< its errors end it alone
    PullProfile& profile;
    std::atomic<std::uint64_t>& done;  ///< bytes of the blob taken so far
    std::stop_token stop;              ///< looked at with every chunk, compressed or not
};

/// The inflated pieces of a blob, for the thread that reads them.
class PlainPieces {
  public:
    PlainPieces(ChunkQueue& queue, std::stop_token stop) : queue_(queue), stop_(std::move(stop)) {}
    /// Valid until the next call; empty at the end. Throws Error{cancelled}, and what ended the
    /// other thread.
    std::span<const std::byte> next();

  private:
    ChunkQueue& queue_;
    std::stop_token stop_;
    Chunk piece_;
};

/// Reads, verifies and inflates (gzip, zstd or neither, by its first bytes) a blob: this thread
/// hashes and inflates, a second one, joined before the return, runs `consume`, which reads the
/// pieces to their end. Blocks: run it on the pool. Throws Error{digest_mismatch} when the blob is
/// not what was promised (the one explanation that outranks all others), otherwise what `consume`
/// throws.
void unpack_blob_blocking(BlobJob& job, const std::function<void(PlainPieces&)>& consume);

/// Throws Error{cancelled} when a stop was asked for.
void check_stop(const std::stop_token& stop);

}  // namespace banger::image
