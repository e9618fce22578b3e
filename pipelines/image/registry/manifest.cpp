#include "pipelines/image/registry/manifest.hpp"

#include <algorithm>
#include <array>
#include <boost/describe.hpp>

#include "pipelines/io/error.hpp"
#include "pipelines/io/json.hpp"

namespace banger::image {
namespace {

// The documents as they are spelled on the wire.
struct WirePlatform {
    std::string os, architecture, variant;
};
BOOST_DESCRIBE_STRUCT(WirePlatform, (), (os, architecture, variant))

struct WireDescriptor {
    std::string mediaType, digest, artifactType;
    std::int64_t size = -1;
    std::optional<WirePlatform> platform;
    std::map<std::string, std::string> annotations;
    std::vector<std::string> urls;
};
BOOST_DESCRIBE_STRUCT(WireDescriptor, (),
                      (mediaType, digest, artifactType, size, platform, annotations, urls))

struct WireDocument {
    std::int64_t schemaVersion = 0;
    std::string mediaType, artifactType;
    std::optional<WireDescriptor> config;
    std::optional<std::vector<WireDescriptor>> layers, manifests;
};
BOOST_DESCRIBE_STRUCT(WireDocument, (),
                      (schemaVersion, mediaType, artifactType, config, layers, manifests))

struct WireRootfs {
    std::vector<std::string> diff_ids;
};
BOOST_DESCRIBE_STRUCT(WireRootfs, (), (diff_ids))

struct WireRunConfig {
    std::vector<std::string> Env, Entrypoint, Cmd;
    std::string WorkingDir, User;
};
BOOST_DESCRIBE_STRUCT(WireRunConfig, (), (Env, Entrypoint, Cmd, WorkingDir, User))

struct WireConfig {
    std::string architecture, os, variant, created;
    WireRunConfig config;
    WireRootfs rootfs;
};
BOOST_DESCRIBE_STRUCT(WireConfig, (), (architecture, os, variant, created, config, rootfs))

constexpr std::string_view kOciIndex = "application/vnd.oci.image.index.v1+json";
constexpr std::string_view kOciManifest = "application/vnd.oci.image.manifest.v1+json";
constexpr std::string_view kDockerList =
    "application/vnd.docker.distribution.manifest.list.v2+json";
constexpr std::string_view kDockerManifest = "application/vnd.docker.distribution.manifest.v2+json";
constexpr std::string_view kOciConfig = "application/vnd.oci.image.config.v1+json";
constexpr std::string_view kDockerConfig = "application/vnd.docker.container.image.v1+json";
constexpr std::array kGenericTypes{std::string_view(""), std::string_view("application/json"),
                                   std::string_view("text/plain"),
                                   std::string_view("application/octet-stream")};

bool is_index_type(std::string_view type) {
    return type == kOciIndex || type == kDockerList;
}

bool is_manifest_type(std::string_view type) {
    return type == kOciManifest || type == kDockerManifest;
}

/// Compression is sniffed, so only the family counts.
bool is_tar_layer(std::string_view type) {
    return type.starts_with("application/vnd.oci.image.layer.v1.tar") ||
           type.starts_with("application/vnd.oci.image.layer.nondistributable.v1.tar") ||
           type.starts_with("application/vnd.docker.image.rootfs.diff.tar") ||
           type.starts_with("application/vnd.docker.image.rootfs.foreign.diff.tar");
}

std::string media_type_of(std::string_view content_type) {
    auto type = std::string(content_type.substr(0, content_type.find(';')));
    while (!type.empty() && (type.back() == ' ' || type.back() == '\t'))
        type.pop_back();
    std::transform(type.begin(), type.end(), type.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return type;
}

Descriptor to_descriptor(const WireDescriptor& wire, std::string_view what) {
    if (wire.size < 0) fail(Errc::invalid_argument, "{} has no valid size", what);
    Descriptor descriptor{
        wire.mediaType, parse_digest(wire.digest), static_cast<std::uint64_t>(wire.size),
        std::nullopt,   wire.annotations,          wire.urls};
    if (wire.platform) {
        descriptor.platform =
            Platform{wire.platform->os, wire.platform->architecture, wire.platform->variant};
    }
    return descriptor;
}

/// What the document is, from its own word, the Content-Type, and its shape; they must not
/// disagree.
std::string document_type(const WireDocument& wire, std::string_view content_type) {
    const auto declared = media_type_of(content_type);
    const bool generic =
        std::find(kGenericTypes.begin(), kGenericTypes.end(), declared) != kGenericTypes.end();
    if (!generic && !wire.mediaType.empty() && wire.mediaType != declared) {
        fail(Errc::invalid_argument, "the manifest calls itself {} but was sent as {}",
             wire.mediaType, declared);
    }
    if (!wire.mediaType.empty()) return wire.mediaType;
    if (!generic) return declared;
    return std::string(wire.manifests ? kOciIndex : kOciManifest);
}

Index to_index(const WireDocument& wire) {
    Index index;
    for (const auto& item : wire.manifests.value_or(std::vector<WireDescriptor>{})) {
        index.manifests.push_back(to_descriptor(item, "an entry of the index"));
    }
    return index;
}

void refuse_artifact(const WireDocument& wire) {
    const auto& config = wire.config->mediaType;
    const bool is_image = config == kOciConfig || config == kDockerConfig;
    if (is_image && wire.artifactType.empty()) return;
    fail(Errc::unsupported, "not a container image but an artifact of type {}",
         wire.artifactType.empty() ? config : wire.artifactType);
}

Manifest to_manifest(const WireDocument& wire) {
    if (!wire.config) fail(Errc::invalid_argument, "the manifest has no config");
    refuse_artifact(wire);
    Manifest manifest{to_descriptor(*wire.config, "the manifest's config"), {}};
    std::uint64_t total = 0;
    for (const auto& item : wire.layers.value_or(std::vector<WireDescriptor>{})) {
        manifest.layers.push_back(to_descriptor(item, "a layer of the manifest"));
        const auto& layer = manifest.layers.back();
        if (!is_tar_layer(layer.media_type)) {
            fail(Errc::unsupported, "layer {} has the unknown type '{}'", layer.digest.short_hex(),
                 layer.media_type);
        }
        if (layer.size > kMaxCompressedBytes || (total += layer.size) > kMaxCompressedBytes) {
            fail(Errc::unsupported, "the image is larger than the limit of {} GiB compressed",
                 kMaxCompressedBytes >> 30);
        }
    }
    if (manifest.layers.size() > kMaxLayers) {
        fail(Errc::unsupported, "the image has {} layers, more than the limit of {}",
             manifest.layers.size(), kMaxLayers);
    }
    return manifest;
}

/// 1 for plain amd64 and v1, 2 to 4 for v2 to v4, 0 for a variant nobody knows.
int level_of(const Platform& platform) {
    if (platform.variant.empty() || platform.variant == "v1") return 1;
    if (platform.variant == "v2") return 2;
    if (platform.variant == "v3") return 3;
    return platform.variant == "v4" ? 4 : 0;
}

constexpr int kWorstRank = 6;

/// Where a descriptor stands among the candidates: lower is better, negative is out.
int rank_of(const Descriptor& descriptor, int cpu_level) {
    const bool nested = is_index_type(descriptor.media_type);
    if (!nested && !is_manifest_type(descriptor.media_type)) return -1;
    if (!descriptor.platform) return nested ? kWorstRank - 1 : kWorstRank;
    if (!is_linux_amd64(*descriptor.platform)) return -1;
    const int level = level_of(*descriptor.platform);
    if (level == 0 || level > cpu_level) return -1;
    return level == 1 ? 0 : 5 - level;
}

}  // namespace

std::string Platform::to_string() const {
    return os + "/" + architecture + (variant.empty() ? "" : "/" + variant);
}

std::string manifest_accept_header() {
    return fmt::format("{}, {}, {}, {}", kOciIndex, kOciManifest, kDockerList, kDockerManifest);
}

ManifestDocument parse_manifest(std::string_view body, std::string_view content_type) {
    if (body.size() > kMaxDocumentBytes) {
        fail(Errc::invalid_argument, "the manifest is larger than {} bytes", kMaxDocumentBytes);
    }
    const auto json = parse_foreign_json(body, "the manifest");
    if (json.is_object() && json.get_object().contains("fsLayers")) {
        fail(Errc::unsupported, "image manifests of schema 1 are not supported; push it again");
    }
    const auto wire = from_json<WireDocument>(json, "manifest");
    // One document that can be read in two ways is how CVE-2021-41190 slipped images past checks.
    if (wire.manifests && (wire.layers || wire.config)) {
        fail(Errc::invalid_argument,
             "the manifest is ambiguous: it lists both manifests and layers");
    }
    if (wire.schemaVersion != 2) {
        fail(Errc::unsupported, "image manifests of schema {} are not supported; push it again",
             wire.schemaVersion);
    }
    const auto type = document_type(wire, content_type);
    if (is_index_type(type) && !wire.layers && !wire.config) return to_index(wire);
    if (is_manifest_type(type) && !wire.manifests) return to_manifest(wire);
    fail(Errc::unsupported, "'{}' is no kind of image manifest that banger knows", type);
}

std::vector<Descriptor> amd64_candidates(const Index& index, int cpu_level) {
    std::vector<Descriptor> candidates;
    for (int rank = 0; rank <= kWorstRank; ++rank) {
        for (const auto& descriptor : index.manifests) {
            if (rank_of(descriptor, cpu_level) == rank) candidates.push_back(descriptor);
        }
    }
    return candidates;
}

std::string list_platforms(const Index& index) {
    // An index may list thousands; a sentence cannot.
    constexpr std::size_t kMax = 20;
    std::vector<std::string> names;
    for (const auto& descriptor : index.manifests) {
        if (!descriptor.platform || descriptor.platform->os == "unknown") continue;
        auto name = descriptor.platform->to_string();
        if (std::find(names.begin(), names.end(), name) != names.end()) continue;
        if (names.size() == kMax) return fmt::format("{} and others", fmt::join(names, ", "));
        names.push_back(name.substr(0, 100));
    }
    return fmt::format("{}", fmt::join(names, ", "));
}

ConfigFile parse_config(std::string_view body, const Manifest& manifest) {
    const auto wire =
        from_json<WireConfig>(parse_foreign_json(body, "the image configuration"), "configuration");
    ConfigFile file;
    file.config = {wire.config.Env,        wire.config.Entrypoint, wire.config.Cmd,
                   wire.config.WorkingDir, wire.config.User,       wire.architecture};
    file.platform = {wire.os, wire.architecture, wire.variant};
    file.created = wire.created;
    for (const auto& text : wire.rootfs.diff_ids)
        file.diff_ids.push_back(parse_digest(text));
    if (file.diff_ids.size() != manifest.layers.size()) {
        fail(Errc::invalid_argument, "the image configuration lists {} layers, the manifest {}",
             file.diff_ids.size(), manifest.layers.size());
    }
    return file;
}

bool is_linux_amd64(const Platform& platform) {
    if (platform.os.empty() && platform.architecture.empty()) return true;
    return platform.os == "linux" && platform.architecture == "amd64";
}

int host_cpu_level() {
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")) return 4;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2")) return 3;
    return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt") ? 2 : 1;
}

}  // namespace banger::image
