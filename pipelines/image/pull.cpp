#include "pipelines/image/pull.hpp"

#include <filesystem>
#include <numeric>

#include "pipelines/image/blobs_in_use.hpp"
#include "pipelines/image/image_record.hpp"
#include "pipelines/image/layer_puller.hpp"
#include "pipelines/image/opened_image.hpp"
#include "pipelines/image/registry/registry_client.hpp"
#include "pipelines/image/rootfs_file.hpp"
#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/error.hpp"

namespace banger::image {
namespace {

std::uint64_t compressed_size(const Manifest& manifest) {
    return std::accumulate(
        manifest.layers.begin(), manifest.layers.end(), std::uint64_t{0},
        [](std::uint64_t sum, const Descriptor& layer) { return sum + layer.size; });
}

std::vector<Digest> blobs_of(const Manifest& manifest) {
    std::vector<Digest> digests;
    for (const auto& layer : manifest.layers)
        digests.push_back(layer.digest);
    return digests;
}

/// Step 1: all content into its blocks. Returns when every write has reached the kernel, or, after
/// a failure, when none is under way any more.
Task<std::vector<TarContents>> write_content(const PullContext& context, const PullRequest& request,
                                             ImageSource& source, const ResolvedImage& image,
                                             const StagingDir& staging, PullProfile& profile,
                                             const ProgressSink& progress) {
    const auto rootfs = make_rootfs(staging / "rootfs.ext4");
    const auto file = make_file_writer(rootfs.get(), context.ring, &profile.write);
    const BlobCache cache(request.cache_dir, context.disk_reserve);
    const auto held =
        context.in_use ? context.in_use->hold(blobs_of(image.manifest)) : BlobsInUse::Hold();
    const SpaceGuard space(staging.path(), context.disk_reserve);
    space.check_blocking(compressed_size(image.manifest));
    LayerPuller puller(context, source, image, source.is_remote() ? &cache : nullptr, *file, space,
                       profile);
    co_await with_flush(*file, puller.run(request.parallel_layers, progress));
    co_return std::move(puller.contents());
}

/// Step 2: the layers become one tree.
Task<StagingTree> merge(const PullContext& context, std::vector<TarContents> layers,
                        StageMeter& meter) {
    co_return co_await run_blocking(context.pool, [&](std::stop_token stop) {
        const StageTimer busy(meter);
        StagingTree tree;
        for (auto& layer : layers) {
            tree.apply(std::move(layer.entries), stop);
        }
        return tree;
    });
}

/// Step 3: everything around the content.
Task<Ext4Result> write_metadata(const PullContext& context, const StagingDir& staging,
                                const StagingTree& tree, Ext4Options options,
                                PullProfile& profile) {
    const SpaceGuard space(staging.path(), context.disk_reserve);
    options.check_space = [&](std::uint64_t bytes) { space.check_blocking(bytes); };
    co_return co_await run_blocking(context.pool, [&](std::stop_token stop) {
        const auto began = StageMeter::Clock::now();
        auto written = write_ext4_blocking(staging / "rootfs.ext4", tree, options, std::move(stop));
        profile.metadata.add_busy(StageMeter::Clock::now() - began - written.sync_time);
        profile.sync.add_busy(written.sync_time);
        return written;
    });
}

/// Step 4: the record beside it, and everything on disk.
Task<void> write_record(const PullContext& context, const StagingDir& staging, std::string text,
                        StageMeter& meter) {
    co_await run_blocking(context.pool, [&](std::stop_token) {
        const StageTimer busy(meter);
        write_file_atomically(staging / "manifest.json", text);
        sync_path(staging.path());
    });
}

Task<std::shared_ptr<OpenedImage>> open(PullContext context, PullRequest request) {
    const auto parent = std::filesystem::path(request.staging_dir).parent_path().string();
    co_return co_await open_image(context, std::move(request.source),
                                  {.registries = std::move(request.registries),
                                   .credential = std::move(request.credential),
                                   .spool_dir = parent,
                                   .standard_input = nullptr});
}

}  // namespace

Task<Digest> resolve(PullContext context, std::string source, RegistrySettings registries,
                     Credential credential) {
    const auto opened =
        co_await open_image(context, std::move(source),
                            {.registries = std::move(registries),
                             .credential = std::move(credential),
                             .spool_dir = std::filesystem::temp_directory_path().string(),
                             .standard_input = nullptr});
    co_await opened->resolve();
    co_return opened->image().digest;
}

Task<void> check_login(PullContext context, std::string domain, RegistrySettings registries,
                       Credential credential) {
    domain = parse_registry(domain);
    co_await RegistryClient::check_login(context.executor, std::move(domain), std::move(registries),
                                         std::move(credential));
}

Task<PulledImage> pull(PullContext context, PullRequest request, ProgressSink progress) {
    if (!progress) progress = [](const Progress&) {};
    const auto opened = request.image ? request.image : co_await open(context, request);
    PulledImage pulled{.reference = opened->reference()};
    progress({.stage = "resolve", .message = pulled.reference});
    co_await opened->resolve();
    const auto& image = opened->image();
    pulled.digest = image.digest;
    pulled.config = image.config.config;
    pulled.download_bytes = compressed_size(image.manifest);
    pulled.layers = static_cast<std::uint32_t>(image.manifest.layers.size());

    StagingDir staging(request.staging_dir);
    PullProfile profile;
    auto layers = co_await write_content(context, request, opened->source(), image, staging,
                                         profile, progress);
    WarningList warnings;
    for (const auto& layer : layers)
        warnings.append(layer.warnings);

    progress({.stage = "merge"});
    const auto tree = co_await merge(context, std::move(layers), profile.merge);
    warnings.append(tree.warnings());
    pulled.warnings = warnings.texts();
    for (auto& warning : opened->source().warnings())
        pulled.warnings.push_back(std::move(warning));

    progress({.stage = "write"});
    const auto options = ext4_options_for(image.digest, image.config.created, request.size);
    const auto written = co_await write_metadata(context, staging, tree, options, profile);
    pulled.size = written.size;
    pulled.used_bytes = written.used_bytes;
    co_await write_record(context, staging, make_image_record(pulled, image), profile.sync);
    profile.report(progress);
    staging.keep();
    co_return pulled;
}

}  // namespace banger::image
