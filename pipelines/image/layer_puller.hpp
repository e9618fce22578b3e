#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <vector>

#include "pipelines/image/blob_cache.hpp"
#include "pipelines/image/layer_decoder.hpp"
#include "pipelines/image/pull.hpp"
#include "pipelines/image/registry/resolve.hpp"
#include "pipelines/io/file_writer.hpp"

namespace banger::image {

/// Brings all layers of one image into the blocks of its file, several at once and in any order:
/// each by a coroutine that downloads and a worker that decodes. A blob that the manifest lists
/// twice is downloaded once. The first failure, or a cancellation, ends the others; nothing but
/// half-written blocks is left of them. The file writer must be flushed afterwards.
class LayerPuller {
  public:
    /// `cache` is null when blobs are on this machine anyway. All outlive the puller.
    LayerPuller(PullContext context, ImageSource& source, const ResolvedImage& image,
                const BlobCache* cache, FileWriter& file, const SpaceGuard& space,
                PullProfile& profile);

    /// Reports stage "layer" about ten times a second while it works; `progress` is not empty.
    Task<void> run(int parallel_layers, const ProgressSink& progress);
    /// After run: what each layer holds, in manifest order.
    std::vector<TarContents>& contents() { return contents_; }

  private:
    Task<void> run_layers(int parallel_layers);
    /// Takes one blob after the other until none is left.
    Task<void> take_blobs();
    Task<void> pull_layer(std::size_t layer);
    /// False when the cache has no good copy.
    Task<bool> decode_cached(std::size_t layer);
    Task<TarContents> decode(std::size_t layer, Blob blob, BlobCache::Writer* copy);
    TarContents decode_blocking(std::size_t layer, ReadChunk read, BlobCache::Writer* copy,
                                std::stop_token stop);
    Task<void> report_regularly(const ProgressSink& progress);
    void report(const ProgressSink& progress);

    PullContext context_;
    ImageSource& source_;
    const ResolvedImage& image_;
    const BlobCache* cache_;
    FileWriter& file_;
    const SpaceGuard& space_;
    PullProfile& profile_;
    SlabPlan plan_;
    ImageBudget budget_;
    std::vector<TarContents> contents_;
    /// Layers by blob, the largest blobs first; each group shares one.
    std::vector<std::vector<std::size_t>> groups_;
    std::size_t next_group_ = 0;
    std::unique_ptr<std::atomic<std::uint64_t>[]> done_;  ///< bytes of each layer's blob
    std::vector<std::uint64_t> reported_;
};

}  // namespace banger::image
