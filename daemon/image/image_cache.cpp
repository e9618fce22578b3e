#include "daemon/image/image_cache.hpp"

#include <spdlog/spdlog.h>

#include <boost/describe.hpp>
#include <numeric>

#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/json.hpp"
#include "pipelines/io/time.hpp"

namespace banger::image {
namespace {

/// A download that was cut off longer ago will hardly be asked for again.
constexpr std::chrono::hours kPartialAge{24};

/// What of an image's manifest.json is of interest here.
struct RecordedLayer {
    std::string digest;
};
BOOST_DESCRIBE_STRUCT(RecordedLayer, (), (digest))

struct RecordedImage {
    std::vector<RecordedLayer> layers;
};
BOOST_DESCRIBE_STRUCT(RecordedImage, (), (layers))

std::vector<RecordedLayer> layers_of(const std::string& path) {
    try {
        return from_json<RecordedImage>(parse_json(read_file(path), path)).layers;
    } catch (const Error& error) {
        // An image without its record still works; only its layers cannot be told.
        spdlog::warn("{}", error.what());
        return {};
    }
}

std::uint64_t sum(const std::vector<CachedBlob>& blobs) {
    return std::accumulate(
        blobs.begin(), blobs.end(), std::uint64_t{0},
        [](std::uint64_t bytes, const CachedBlob& blob) { return bytes + blob.size; });
}

api::CachedBlob to_api(const CachedBlob& blob, std::vector<std::string> images) {
    return {.digest = blob.digest.to_string(),
            .size = blob.size,
            .used_at = to_rfc3339(blob.used_at),
            .images = std::move(images)};
}

}  // namespace

ImageCache::ImageCache(const Paths& paths, BlockingPool& pool, std::uint64_t limit)
    : images_(paths.images()), blobs_(paths.cache), pool_(pool), limit_(limit) {}

Task<api::ImageCacheInfo> ImageCache::info(std::vector<api::ImageInfo> images) {
    co_return co_await run_blocking(pool_, [&](std::stop_token) {
        const auto users = users_blocking(images);
        const auto blobs = blobs_.list_blocking();
        api::ImageCacheInfo info{.bytes = sum(blobs), .limit = limit_, .blobs = {}};
        for (const auto& blob : blobs) {
            const auto found = users.find(blob.digest.to_string());
            info.blobs.push_back(
                to_api(blob, found == users.end() ? std::vector<std::string>{} : found->second));
        }
        return info;
    });
}

Task<api::ImageCachePruned> ImageCache::prune(std::vector<api::ImageInfo> images,
                                              api::ImageCachePruneRequest request) {
    co_return co_await run_blocking(pool_, [&](std::stop_token) {
        const auto users = users_blocking(images);
        api::ImageCachePruned pruned;
        for (const auto& blob : blobs_.list_blocking()) {
            const auto found = users.find(blob.digest.to_string());
            if (found != users.end() && !request.all) continue;
            const bool removed =
                request.dry_run ? in_use_.unless_used(blob.digest, [] {}) : evict(blob);
            if (!removed) continue;
            pruned.bytes += blob.size;
            pruned.blobs.push_back(
                to_api(blob, found == users.end() ? std::vector<std::string>{} : found->second));
        }
        for (const auto& partial : blobs_.list_partials_blocking()) {
            if (!request.dry_run && !blobs_.remove_partial_blocking(partial.digest)) continue;
            pruned.bytes += partial.size;
            pruned.blobs.push_back(to_api(partial, {}));
        }
        return pruned;
    });
}

Task<void> ImageCache::shrink() {
    co_await run_blocking(pool_, [this](std::stop_token) {
        try {
            shrink_blocking();
        } catch (const std::exception& error) {
            spdlog::warn("the image cache was not made smaller: {}", error.what());
        }
    });
}

ImageCache::Users ImageCache::users_blocking(const std::vector<api::ImageInfo>& images) const {
    Users users;
    std::map<std::string, std::vector<std::string>> names;  // by directory
    for (const auto& image : images)
        names[image.id].push_back(image.name);
    for (const auto& [id, list] : names) {
        std::set<std::string> digests;
        for (const auto& layer : layers_of(images_ + "/" + id + "/manifest.json"))
            digests.insert(layer.digest);
        for (const auto& digest : digests) {
            auto& all = users[digest];
            all.insert(all.end(), list.begin(), list.end());
        }
    }
    return users;
}

bool ImageCache::evict(const CachedBlob& blob) {
    return in_use_.unless_used(blob.digest, [&] { blobs_.remove(blob.digest); });
}

void ImageCache::shrink_blocking() {
    const auto blobs = blobs_.list_blocking();
    auto bytes = sum(blobs);
    for (const auto& partial : blobs_.list_partials_blocking()) {
        const auto age = std::chrono::system_clock::now() - partial.used_at;
        const bool stays = age < kPartialAge && bytes + partial.size <= limit_;
        if (stays || !blobs_.remove_partial_blocking(partial.digest)) bytes += partial.size;
    }
    for (const auto& blob : blobs) {
        if (bytes <= limit_) return;
        if (!evict(blob)) continue;
        spdlog::debug("blob {} left the cache", blob.digest.short_hex());
        bytes -= blob.size;
    }
}

}  // namespace banger::image
