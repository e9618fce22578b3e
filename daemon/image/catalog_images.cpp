#include "daemon/image/catalog_images.hpp"

#include "daemon/image/directories.hpp"
#include "pipelines/bundle/image_bundle.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/shield.hpp"
#include "pipelines/io/time.hpp"

namespace banger::image {
namespace {

api::ImageInfo describe(const bundle::PulledBundle& pulled, const api::AvailableEntry& entry,
                        const std::string& directory) {
    const auto& manifest = pulled.manifest;
    api::ImageInfo info;
    info.id = image_id({"sha256", entry.sha256}, 0);
    info.reference = entry.url;
    info.digest = "sha256:" + entry.sha256;
    info.arch = manifest.config.architecture.empty() ? "amd64" : manifest.config.architecture;
    info.rootfs_path = directory + "/rootfs.ext4";
    info.size = pulled.size;
    info.used_bytes = pulled.used_bytes;
    info.download_bytes = entry.size;
    info.env = manifest.config.env;
    info.entrypoint = manifest.config.entrypoint;
    info.cmd = manifest.config.cmd;
    info.working_dir = manifest.config.working_dir;
    info.user = manifest.config.user;
    // The catalog's word is the newer one: a kernel can be replaced without a new bundle.
    info.kernel_ref = entry.kernel_ref.empty() ? manifest.kernel_ref : entry.kernel_ref;
    info.description = entry.description.empty() ? manifest.description : entry.description;
    info.created_at = now_rfc3339();
    return info;
}

}  // namespace

std::string image_id(const Digest& digest, std::uint64_t size) {
    const std::string hex = digest.hex.substr(0, 16);
    return size == 0 ? hex : fmt::format("{}-{}", hex, size);
}

bool may_be_entry(std::string_view reference) {
    return reference.find_first_of("/:@") == reference.npos && reference != "-";
}

void take_reference(api::ImagePullRequest& request, const api::AvailableEntry& entry) {
    request.reference = entry.url;
    if (!entry.sha256.empty()) request.reference += "@sha256:" + entry.sha256;
    if (!request.name) request.name = entry.name;
    if (!request.kernel_ref && !entry.kernel_ref.empty()) request.kernel_ref = entry.kernel_ref;
}

void check_bundle(const api::ImagePullRequest& request, const api::AvailableEntry& entry) {
    if (entry.kind != "bundle") {
        fail(Errc::unsupported,
             "image '{}' of catalog '{}' is of the kind '{}', which this banger cannot pull",
             entry.name, entry.catalog, entry.kind);
    }
    if (request.size) {
        fail(Errc::unsupported,
             "a bundle brings a file system of its own size; --disk-size of a VM is what is left "
             "to choose");
    }
}

Task<api::ImageInfo> fetch_bundle(const ImageServiceParts& parts, api::AvailableEntry entry,
                                  ProgressSink progress) {
    const auto id = image_id({"sha256", entry.sha256}, 0);
    const auto directory = parts.paths.images() + "/" + id;
    const StagingDirectory staging(directory + ".staging");
    const bundle::BundleRequest request{.name = entry.name,
                                        .url = entry.url,
                                        .digest = {"sha256", entry.sha256},
                                        .size = entry.size,
                                        .staging_dir = staging.path(),
                                        .settings = parts.registries};
    const auto pulled =
        co_await bundle::pull_image_bundle(parts.pull, request, std::move(progress));
    co_await shielded(publish(parts.pull.pool, staging.path(), directory));
    co_return describe(pulled, entry, directory);
}

}  // namespace banger::image
