#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "daemon/api/types.hpp"
#include "daemon/paths.hpp"
#include "pipelines/image/blob_cache.hpp"
#include "pipelines/image/blobs_in_use.hpp"
#include "pipelines/io/task.hpp"

namespace banger {
class BlockingPool;
}

namespace banger::image {

/// The compressed layers that pulls left behind for the next one, as something to look at and to
/// make smaller. What a pull under way counts on is never removed. Losing a blob costs a download,
/// nothing else.
class ImageCache {
  public:
    /// `limit`: bytes that stay after a pull, the least recently used blobs going first.
    ImageCache(const Paths& paths, BlockingPool& pool, std::uint64_t limit);

    /// `images` are all that there are.
    Task<api::ImageCacheInfo> info(std::vector<api::ImageInfo> images);
    /// Removes the blobs that no image is made of; with `all`, those too.
    Task<api::ImageCachePruned> prune(std::vector<api::ImageInfo> images,
                                      api::ImageCachePruneRequest request);
    /// Down to the limit; downloads that were cut off a day ago go as well. Never throws but when
    /// cancelled: what cannot be removed is logged.
    Task<void> shrink();
    BlobsInUse& in_use() { return in_use_; }

  private:
    /// Names of images by the digests of their layers.
    using Users = std::map<std::string, std::vector<std::string>>;
    Users users_blocking(const std::vector<api::ImageInfo>& images) const;
    bool evict(const CachedBlob& blob);
    void shrink_blocking();

    std::string images_;
    BlobCache blobs_;
    BlobsInUse in_use_;
    BlockingPool& pool_;
    std::uint64_t limit_;
};

}  // namespace banger::image
