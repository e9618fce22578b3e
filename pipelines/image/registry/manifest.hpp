#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "pipelines/image/pull.hpp"
#include "pipelines/io/digest.hpp"

namespace banger::image {

/// 4 MiB: the most a manifest, an index or an image configuration may take.
inline constexpr std::size_t kMaxDocumentBytes = 4 * 1024 * 1024;
inline constexpr std::size_t kMaxLayers = 512;
/// 32 GiB: the most a compressed image may take.
inline constexpr std::uint64_t kMaxCompressedBytes = 32ull << 30;

struct Platform {
    std::string os;
    std::string architecture;
    std::string variant;

    /// "linux/amd64", "linux/arm/v7"
    std::string to_string() const;
};

/// A thing in a registry and what it should be: image-spec descriptor.md.
struct Descriptor {
    std::string media_type;
    Digest digest;
    std::uint64_t size = 0;
    std::optional<Platform> platform;
    std::map<std::string, std::string> annotations;
    std::vector<std::string> urls;  ///< where else a blob may be had, without credentials
};

/// Which images a name stands for: an OCI index or a Docker manifest list.
struct Index {
    std::vector<Descriptor> manifests;
};

/// One image: an OCI manifest or Docker's schema 2.
struct Manifest {
    Descriptor config;
    std::vector<Descriptor> layers;  ///< oldest first
};

using ManifestDocument = std::variant<Index, Manifest>;

/// What the image's configuration blob says.
struct ConfigFile {
    ImageConfig config;
    Platform platform;
    std::string created;           ///< RFC 3339; empty when not given
    std::vector<Digest> diff_ids;  ///< of the uncompressed layers, oldest first
};

/// The media types a client must say it accepts, as one Accept value.
std::string manifest_accept_header();

/// Throws Error{unsupported} for schema 1, artifacts and unknown kinds, Error{invalid_argument} for
/// what breaks the spec: ambiguous documents, negative sizes, bad digests, too many layers.
/// `content_type` may be empty or generic; the document's own mediaType then decides.
ManifestDocument parse_manifest(std::string_view body, std::string_view content_type);

/// The manifests of `index` to try for linux/amd64, best first: plain ones, then x86-64 levels that
/// `cpu_level` (1 to 4) reaches, highest first, then nested indexes, then entries that name no
/// platform. Attestations (unknown/unknown) and other platforms are left out.
std::vector<Descriptor> amd64_candidates(const Index& index, int cpu_level);

/// "linux/arm64, linux/s390x": what an index has, for the message that ours is not among it; may be
/// empty.
std::string list_platforms(const Index& index);

/// Throws when the configuration does not fit the manifest: wrong number of diff_ids.
ConfigFile parse_config(std::string_view body, const Manifest& manifest);

/// True for linux/amd64; an image that names no platform at all is taken for one.
bool is_linux_amd64(const Platform& platform);

/// The x86-64 level of this machine, 1 to 4.
int host_cpu_level();

/// The annotation that names an image within an OCI layout.
inline constexpr std::string_view kRefNameAnnotation = "org.opencontainers.image.ref.name";

}  // namespace banger::image
