#include "pipelines/bundle/image_bundle.hpp"

#include <unistd.h>

#include <cerrno>

#include "pipelines/bundle/image_sink.hpp"
#include "pipelines/image/blob_unpacker.hpp"
#include "pipelines/image/ext4/ext4_check.hpp"
#include "pipelines/image/ext4/sparse_file.hpp"
#include "pipelines/image/rootfs_file.hpp"
#include "pipelines/image/space_guard.hpp"
#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/json.hpp"

namespace banger::bundle {
namespace {

/// What the stream leaves behind.
struct Contents {
    std::string manifest;
    std::uint64_t size = 0;
};

/// All content into the file. When it returns every write has reached the kernel, or, after a
/// failure, none is under way any more.
Task<Contents> write_content(const image::PullContext& context, const BundleRequest& request,
                             const image::StagingDir& staging, image::PullProfile& profile,
                             const ProgressSink& progress) {
    const auto rootfs = image::make_rootfs(staging / "rootfs.ext4");
    const auto file = make_file_writer(rootfs.get(), context.ring, &profile.write);
    const image::SpaceGuard space(staging.path(), context.disk_reserve);
    space.check_blocking(request.size);
    Contents contents;
    auto consume = [&](image::PlainPieces& pieces, std::stop_token stop) {
        RawWriter writer(context.buffers, *file, std::move(stop));
        ImageSink sink(request.name, writer, space, profile);
        read_bundle_tar(pieces, sink);
        contents = {sink.manifest(), sink.size()};
    };
    co_await image::with_flush(
        *file,
        stream_bundle(context, request, profile, consume, [](const std::stop_token&) {}, progress));
    if (::ftruncate(rootfs.get(), static_cast<off_t>(contents.size)) != 0) {
        fail_errno(errno, "cannot size {} to {} bytes", staging / "rootfs.ext4", contents.size);
    }
    co_return contents;
}

/// The manifest.json that stays beside the file system: the bundle's own, and what was pulled.
std::string make_record(const BundleRequest& request, const PulledBundle& pulled) {
    auto record = to_json(pulled.manifest).as_object();
    record["reference"] = request.url;
    record["digest"] = request.digest.to_string();
    record["size"] = pulled.size;
    record["used_bytes"] = pulled.used_bytes;
    record["download_bytes"] = request.size;
    return boost::json::serialize(record) + "\n";
}

}  // namespace

Task<PulledBundle> pull_image_bundle(image::PullContext context, BundleRequest request,
                                     ProgressSink progress) {
    if (!progress) progress = [](const Progress&) {};
    image::StagingDir staging(request.staging_dir);
    image::PullProfile profile;
    const auto contents = co_await write_content(context, request, staging, profile, progress);
    PulledBundle pulled;
    pulled.manifest =
        parse_manifest(contents.manifest, "the manifest.json of bundle '" + request.name + "'");
    progress({.stage = "write"});
    co_await run_blocking(context.pool, [&](std::stop_token) {
        const auto found = image::inspect_ext4_blocking(
            staging / "rootfs.ext4", "rootfs.ext4 of bundle '" + request.name + "'");
        pulled.size = found.size;
        pulled.used_bytes = found.used_bytes;
        const StageTimer busy(profile.sync);
        image::sync_file(staging / "rootfs.ext4");
        write_file_atomically(staging / "manifest.json", make_record(request, pulled));
        sync_path(staging.path());
    });
    profile.report(progress);
    staging.keep();
    co_return pulled;
}

}  // namespace banger::bundle
