#include "pipelines/bundle/kernel_bundle.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <optional>
#include <utility>

#include "pipelines/bundle/kernel_sink.hpp"
#include "pipelines/image/blob_unpacker.hpp"
#include "pipelines/image/space_guard.hpp"
#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/unique_fd.hpp"
#include "pipelines/kernel/import_steps.hpp"
#include "pipelines/kernel/kernel_staging.hpp"

namespace banger::bundle {
namespace {

/// A new file without a name, in the directory of `path`.
UniqueFd open_nameless(const std::string& path) {
    const auto parent = std::filesystem::path(path).parent_path().string();
    return open_file(parent, O_RDWR | O_TMPFILE, 0600);
}

}  // namespace

Task<kernel::KernelManifest> pull_kernel_bundle(image::PullContext context, BundleRequest request,
                                                kernel::KernelImportOptions options,
                                                ProgressSink progress) {
    kernel::check_arch(options);
    kernel::KernelStaging staging(request.staging_dir);
    const image::SpaceGuard space(request.staging_dir, context.disk_reserve);
    KernelSink sink(request.name, staging, space);
    image::PullProfile profile;
    std::optional<kernel::KernelManifest> manifest;
    co_await stream_bundle(
        context, request, profile,
        [&](image::PlainPieces& pieces, const std::stop_token&) { read_bundle_tar(pieces, sink); },
        [&](const std::stop_token&) {
            manifest = kernel::finish_import(staging, options, sink.check(), request.url);
        },
        progress);
    co_return std::move(*manifest);
}

Task<kernel::KernelManifest> pull_kernel_deb(image::PullContext context, BundleRequest request,
                                             kernel::KernelImportOptions options,
                                             ProgressSink progress) {
    options.source = request.url;
    const auto file = open_nameless(request.staging_dir);
    image::PullProfile profile;
    std::optional<kernel::KernelManifest> manifest;
    // A package has no magic of a compression, so its pieces are its bytes.
    auto consume = [&](image::PlainPieces& pieces, const std::stop_token&) {
        for (auto piece = pieces.next(); !piece.empty(); piece = pieces.next())
            write_all(file.get(), {reinterpret_cast<const char*>(piece.data()), piece.size()},
                      "the package");
    };
    auto finish = [&](const std::stop_token& stop) {
        manifest = kernel::import_deb_blocking(fmt::format("/proc/self/fd/{}", file.get()),
                                               request.staging_dir, options, stop);
    };
    co_await stream_bundle(context, request, profile, consume, finish, progress);
    co_return std::move(*manifest);
}

}  // namespace banger::bundle
