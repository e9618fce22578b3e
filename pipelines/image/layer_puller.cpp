#include "pipelines/image/layer_puller.hpp"

#include <spdlog/spdlog.h>
#include <algorithm>

#include "pipelines/image/blob_work.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/task_group.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::image {
namespace {

constexpr std::chrono::milliseconds kReportInterval{100};

std::vector<std::uint64_t> blob_sizes(const Manifest& manifest) {
    std::vector<std::uint64_t> sizes;
    for (const auto& layer : manifest.layers)
        sizes.push_back(layer.size);
    return sizes;
}

/// Largest first, so that the longest work does not begin last.
std::vector<std::vector<std::size_t>> group_by_blob(const Manifest& manifest) {
    std::map<std::string, std::vector<std::size_t>> by_digest;
    for (std::size_t i = 0; i < manifest.layers.size(); ++i)
        by_digest[manifest.layers[i].digest.to_string()].push_back(i);
    std::vector<std::vector<std::size_t>> groups;
    for (auto& [digest, layers] : by_digest)
        groups.push_back(std::move(layers));
    std::sort(groups.begin(), groups.end(), [&](const auto& a, const auto& b) {
        const auto size_a = manifest.layers[a.front()].size;
        const auto size_b = manifest.layers[b.front()].size;
        return size_a != size_b ? size_a > size_b : a.front() < b.front();
    });
    return groups;
}

/// Null, too, when the cache takes nothing: a pull can do without.
std::unique_ptr<BlobCache::Writer> begin_copy(const BlobCache* cache, const Descriptor& layer,
                                              bool resume) try {
    return cache ? cache->begin(layer.digest, layer.size, resume) : nullptr;
} catch (const Error& error) {
    spdlog::warn("layer {} is not cached: {}", layer.digest.short_hex(), error.what());
    return nullptr;
}

/// First what an earlier download has left, then what comes from `rest`.
ReadChunk read_after(const BlobCache::Writer& copy, ReadChunk rest) {
    return [&copy, rest = std::move(rest), at = std::uint64_t{0}](Chunk& chunk) mutable {
        if (at == copy.resumed()) return rest(chunk);
        if (!chunk.memory) {
            chunk.memory = std::make_unique_for_overwrite<std::byte[]>(Chunk::kCapacity);
        }
        chunk.size = copy.read_resumed(at, chunk.writable());
        at += chunk.size;
        return true;
    };
}

/// Leaves a copy that was cut off by a stop for the next start.
struct LeaveAtStop {
    const PullContext& context;
    BlobCache::Writer* copy;
    ~LeaveAtStop() {
        if (copy && context.keeps_partials && context.keeps_partials()) copy->leave();
    }
};

/// What a copy in the cache may be guilty of; a full disk or a cancellation is not its fault.
bool is_damage(const Error& error) {
    return error.code() == Errc::digest_mismatch || error.code() == Errc::internal;
}

}  // namespace

LayerPuller::LayerPuller(PullContext context, ImageSource& source, const ResolvedImage& image,
                         const BlobCache* cache, FileWriter& file, const SpaceGuard& space,
                         PullProfile& profile)
    : context_(std::move(context)),
      source_(source),
      image_(image),
      cache_(cache),
      file_(file),
      space_(space),
      profile_(profile),
      plan_(blob_sizes(image.manifest)),
      contents_(image.manifest.layers.size()),
      groups_(group_by_blob(image.manifest)),
      done_(std::make_unique<std::atomic<std::uint64_t>[]>(contents_.size())),
      reported_(contents_.size(), 0) {}

Task<void> LayerPuller::run(int parallel_layers, const ProgressSink& progress) {
    co_await race(run_layers(parallel_layers), report_regularly(progress));
    report(progress);
}

Task<void> LayerPuller::run_layers(int parallel_layers) {
    TaskGroup group(context_.executor);
    const auto wanted = static_cast<std::size_t>(std::max(parallel_layers, 1));
    for (std::size_t i = 0; i < std::min(wanted, groups_.size()); ++i)
        group.spawn(take_blobs());
    co_await group.join();
}

Task<void> LayerPuller::take_blobs() {
    while (next_group_ < groups_.size()) {
        const auto& layers = groups_[next_group_++];
        for (const auto layer : layers)
            co_await pull_layer(layer);
    }
}

Task<void> LayerPuller::pull_layer(std::size_t layer) {
    const auto& descriptor = image_.manifest.layers[layer];
    if (cache_ && co_await decode_cached(layer)) co_return;
    for (bool may_resume = true;;) {
        std::exception_ptr damaged;
        bool resumed = false;
        try {
            auto blob = co_await source_.open_blob(descriptor);
            const auto copy = begin_copy(cache_, descriptor, may_resume);
            const LeaveAtStop leave{context_, copy.get()};
            resumed = blob.stream && copy && copy->resumed() > 0;
            if (resumed) blob.stream->skip(copy->resumed());
            contents_[layer] = co_await decode(layer, std::move(blob), copy.get());
            co_return;
        } catch (const Error& error) {
            if (error.code() != Errc::digest_mismatch) throw;
            damaged = std::current_exception();
        }
        // What an earlier download had left comes under suspicion first.
        may_resume = false;
        if (!resumed && !source_.distrust(descriptor)) std::rethrow_exception(damaged);
        // As after a damaged copy in the cache: the same blocks again.
        co_await file_.flush();
    }
}

Task<bool> LayerPuller::decode_cached(std::size_t layer) {
    const auto& descriptor = image_.manifest.layers[layer];
    auto file = cache_->find(descriptor);
    if (!file) co_return false;
    try {
        contents_[layer] = co_await decode(
            layer,
            {.file = std::move(file), .stream = nullptr, .offset = 0, .size = descriptor.size},
            nullptr);
        co_return true;
    } catch (const Error& error) {
        if (!is_damage(error)) throw;
        spdlog::warn("the cached copy is dropped: {}", error.what());
        cache_->remove(descriptor.digest);
    }
    // The same blocks are about to be written again, in an order that must not matter.
    co_await file_.flush();
    co_return false;
}

Task<TarContents> LayerPuller::decode(std::size_t layer, Blob blob, BlobCache::Writer* copy) {
    TarContents contents;
    const bool is_stream = blob.stream != nullptr;
    co_await work_through(
        context_, blob, profile_.network, [&](ReadChunk read, std::stop_token stop) {
            if (is_stream && copy && copy->resumed() > 0) read = read_after(*copy, std::move(read));
            contents = decode_blocking(layer, std::move(read), copy, std::move(stop));
        });
    co_return contents;
}

TarContents LayerPuller::decode_blocking(std::size_t layer, ReadChunk read, BlobCache::Writer* copy,
                                         std::stop_token stop) {
    BlockWriter blocks(plan_, layer, context_.buffers, file_, stop);
    // What is decoded a second time must not count twice.
    ImageBudget share(&budget_);
    auto contents = decode_layer_blocking({.blob = &image_.manifest.layers[layer],
                                           .diff_id = &image_.config.diff_ids[layer],
                                           .read = std::move(read),
                                           .copy = copy,
                                           .blocks = blocks,
                                           .budget = share,
                                           .space = space_,
                                           .profile = profile_,
                                           .done = done_[layer],
                                           .stop = stop});
    share.keep();
    return contents;
}

Task<void> LayerPuller::report_regularly(const ProgressSink& progress) {
    for (;;) {
        co_await sleep_for(kReportInterval);
        report(progress);
    }
}

void LayerPuller::report(const ProgressSink& progress) {
    for (std::size_t i = 0; i < contents_.size(); ++i) {
        const auto done = done_[i].load();
        if (done == reported_[i]) continue;
        reported_[i] = done;
        const auto& layer = image_.manifest.layers[i];
        progress({.stage = "layer",
                  .item = layer.digest.short_hex(),
                  .done = done,
                  .total = layer.size});
    }
}

}  // namespace banger::image
