#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/describe.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "pipelines/image/registry/credential.hpp"
#include "pipelines/image/registry/registry_settings.hpp"
#include "pipelines/io/digest.hpp"
#include "pipelines/io/progress.hpp"
#include "pipelines/io/task.hpp"

namespace banger {
class BlockingPool;
class BufferPool;
class Uring;
}  // namespace banger

namespace banger::image {

class BlobsInUse;
class OpenedImage;

/// What of the image's configuration (image-spec config.md, "config") a VM needs.
struct ImageConfig {
    std::vector<std::string> env;  ///< "NAME=value"
    std::vector<std::string> entrypoint;
    std::vector<std::string> cmd;
    std::string working_dir;
    std::string user;
    std::string architecture;  ///< "amd64"
};
BOOST_DESCRIBE_STRUCT(ImageConfig, (), (env, entrypoint, cmd, working_dir, user, architecture))

/// What a pull works with; all outlive it. `ring` may be null: then pwrite.
struct PullContext {
    boost::asio::any_io_executor executor;
    BlockingPool& pool;
    BufferPool& buffers;
    Uring* ring = nullptr;
    std::uint64_t disk_reserve = 0;  ///< bytes of the disk that stay free; 0: see SpaceGuard
    BlobsInUse* in_use = nullptr;    ///< is told which blobs a pull counts on; may be null
    /// Whether downloads that are cut off now are to be gone on with later: a stop, not a
    /// cancellation. Called on the loop's thread; empty means never.
    std::function<bool()> keeps_partials{};
};

struct PullRequest {
    std::string source;  ///< a registry reference, "oci:PATH[:TAG]", "docker-archive:PATH", …
    std::shared_ptr<OpenedImage> image;  ///< when it is open already: then `source` is not read
    std::string staging_dir;  ///< made by the pull; removed again when it fails or is cancelled
    std::string cache_dir;    ///< blobs go to <cache_dir>/oci/blobs/sha256/<hex>
    std::uint64_t size = 0;   ///< bytes of the file system; 0: by content
    int parallel_layers = 4;
    RegistrySettings registries;
    Credential credential;  ///< for the source's registry; kept in memory, and for this pull only
};

struct PulledImage {
    std::string reference;  ///< canonical: docker.io/library/debian:bookworm, oci:/path:tag
    Digest digest;          ///< of the linux/amd64 manifest
    ImageConfig config;
    std::uint64_t size = 0;            ///< bytes of the file system
    std::uint64_t used_bytes = 0;      ///< of it in use
    std::uint64_t download_bytes = 0;  ///< compressed layers, whether downloaded or cached
    std::uint32_t layers = 0;
    std::vector<std::string> warnings;
};

/// What a source resolves to, without pulling it: for "is this image here already?".
Task<Digest> resolve(PullContext context, std::string source, RegistrySettings registries,
                     Credential credential);

/// Asks the registry `domain` ("quay.io", "localhost:5000") whether it lets the credential in.
/// Throws Error{unauthorized} when not, Error{invalid_argument} for what is no name of a registry.
Task<void> check_login(PullContext context, std::string domain, RegistrySettings registries,
                       Credential credential);

/// Registry (or layout, or archive) to `<staging_dir>/rootfs.ext4` and
/// `<staging_dir>/manifest.json` in one overlapped pass: layers are downloaded, hashed, inflated,
/// hashed again, cut into entries and written to their final blocks in parallel; then merged in
/// order, and the metadata written once. All of it is on disk and synced when this returns; the
/// caller publishes by renaming staging_dir. Stages reported: "resolve", "layer" (item: short
/// digest), "merge", "write", at the end "profile" (PullProfile). On failure or cancellation
/// nothing stays.
Task<PulledImage> pull(PullContext context, PullRequest request, ProgressSink progress);

}  // namespace banger::image
