#include "pipelines/bundle/make_bundle.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "pipelines/image/image_record.hpp"
#include "pipelines/image/layer_decoder.hpp"
#include "pipelines/image/rootfs_file.hpp"
#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/error.hpp"

namespace banger::bundle {
namespace {

UniqueFd open_input(const std::string& path) {
    if (path != "-") return open_file(path, O_RDONLY);
    UniqueFd copy(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0));
    if (!copy) fail_errno(errno, "cannot read standard input");
    return copy;
}

/// Full chunks of a file or a pipe.
image::ReadChunk read_from(int fd, const std::string& name) {
    return [fd, name](Chunk& chunk) {
        if (!chunk.memory) {
            chunk.memory = std::make_unique_for_overwrite<std::byte[]>(Chunk::kCapacity);
        }
        chunk.size = 0;
        while (chunk.size < Chunk::kCapacity) {
            const auto rest = chunk.writable().subspan(chunk.size);
            const auto count = ::read(fd, rest.data(), rest.size());
            if (count < 0 && errno == EINTR) continue;
            if (count < 0) fail_errno(errno, "cannot read {}", name);
            if (count == 0) break;
            chunk.size += static_cast<std::size_t>(count);
        }
        return chunk.size > 0;
    };
}

/// What a tar holds, its content in the file system's blocks.
struct UnpackedTar {
    image::TarContents contents;
    Digest digest;  ///< of the plain tar
};

Task<void> unpack_tar(const image::PullContext& context, const std::string& path, FileWriter& file,
                      const image::SpaceGuard& space, UnpackedTar& out) {
    const auto input = open_input(path);
    co_await run_blocking(context.pool, [&](std::stop_token stop) {
        // One layer only: where its blocks lie does not depend on a weight.
        const image::SlabPlan plan({1});
        image::BlockWriter blocks(plan, 0, context.buffers, file, stop);
        image::ImageBudget budget;
        image::PullProfile profile;
        std::atomic<std::uint64_t> done{0};
        out.contents = image::decode_layer_blocking({.blob = nullptr,
                                                     .diff_id = nullptr,
                                                     .found = &out.digest,
                                                     .read = read_from(input.get(), path),
                                                     .blocks = blocks,
                                                     .budget = budget,
                                                     .space = space,
                                                     .profile = profile,
                                                     .done = done,
                                                     .stop = stop});
    });
}

/// The tar to `<staging>/rootfs.ext4`.
Task<void> build_from_tar(const image::PullContext& context, const MakeBundleOptions& options,
                          const std::string& rootfs) {
    UnpackedTar tar;
    {
        const auto fd = image::make_rootfs(rootfs);
        const auto file = make_file_writer(fd.get(), context.ring);
        const image::SpaceGuard space(options.out, context.disk_reserve);
        co_await image::with_flush(*file,
                                   unpack_tar(context, options.rootfs_tar, *file, space, tar));
    }
    co_await run_blocking(context.pool, [&](std::stop_token stop) {
        if (tar.contents.entries.empty()) {
            fail(Errc::invalid_argument, "{} holds no files", options.rootfs_tar);
        }
        image::StagingTree tree;
        tree.apply(std::move(tar.contents.entries));
        const auto ext4 = image::ext4_options_for(tar.digest, "", options.size);
        image::write_ext4_blocking(rootfs, tree, ext4, std::move(stop));
    });
}

/// The directory to work in, made anew.
std::string make_directory(const std::string& out) {
    std::filesystem::create_directories(out);
    auto pattern = std::filesystem::absolute(out).string() + "/.make-bundle-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) fail_errno(errno, "cannot make {}", pattern);
    return pattern;
}

/// Gone with all that is in it.
struct WorkDirectory {
    explicit WorkDirectory(const std::string& out) : path(make_directory(out)) {}
    ~WorkDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
    WorkDirectory(const WorkDirectory&) = delete;
    WorkDirectory& operator=(const WorkDirectory&) = delete;
    const std::string path;
};

}  // namespace

Task<WrittenBundle> make_bundle(image::PullContext context, MakeBundleOptions options,
                                ProgressSink progress) {
    const WorkDirectory work(options.out);
    auto manifest = options.manifest;
    std::string rootfs = work.path + "/rootfs.ext4";
    if (options.oci.empty()) {
        co_await build_from_tar(context, options, rootfs);
    } else {
        const std::string staging = work.path + "/image";
        const auto pulled = co_await image::pull(context,
                                                 {.source = options.oci,
                                                  .staging_dir = staging,
                                                  .cache_dir = work.path + "/cache",
                                                  .size = options.size},
                                                 progress);
        manifest.config = pulled.config;
        rootfs = staging + "/rootfs.ext4";
    }
    if (progress) progress({.stage = "pack"});
    co_return co_await run_blocking(context.pool, [&](std::stop_token stop) {
        return write_bundle_blocking(rootfs, manifest, options.out, options.level, std::move(stop));
    });
}

}  // namespace banger::bundle
