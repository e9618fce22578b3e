#include "pipelines/image/registry/docker_archive.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <boost/describe.hpp>
#include <boost/json/serialize.hpp>
#include <map>

#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/decompress.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/json.hpp"

namespace banger::image {
namespace {

constexpr const char* kManifestType = "application/vnd.docker.distribution.manifest.v2+json";
constexpr const char* kConfigType = "application/vnd.docker.container.image.v1+json";
constexpr const char* kLayerType = "application/vnd.docker.image.rootfs.diff.tar.gzip";
constexpr std::string_view kBlobs = "blobs/sha256/";
constexpr std::size_t kHashPiece = 256 * 1024;

/// An entry of manifest.json; the names are Docker's.
struct SavedImage {
    std::string Config;
    std::vector<std::string> RepoTags;
    std::vector<std::string> Layers;
};
BOOST_DESCRIBE_STRUCT(SavedImage, (), (Config, RepoTags, Layers))

struct WireDescriptor {
    std::string mediaType;
    std::uint64_t size = 0;
    std::string digest;
};
BOOST_DESCRIBE_STRUCT(WireDescriptor, (), (mediaType, size, digest))

struct WireManifest {
    int schemaVersion = 2;
    std::string mediaType = kManifestType;
    WireDescriptor config;
    std::vector<WireDescriptor> layers;
};
BOOST_DESCRIBE_STRUCT(WireManifest, (), (schemaVersion, mediaType, config, layers))

WireDescriptor to_wire(const Descriptor& descriptor) {
    return {descriptor.media_type, descriptor.size, descriptor.digest.to_string()};
}

/// "docker.io/library/debian:bookworm" for "debian:bookworm"; a name that is none stands for
/// itself.
std::string canonical(const std::string& name) {
    try {
        return parse_reference(name).to_string();
    } catch (const Error&) {
        return name;
    }
}

/// The digest that a file's own name claims: "<hex>.json", "blobs/sha256/<hex>".
std::optional<Digest> claimed_digest(std::string_view path) {
    path = path.substr(path.rfind('/') + 1);
    if (path.ends_with(".json")) path.remove_suffix(5);
    try {
        return parse_digest("sha256:" + std::string(path));
    } catch (const Error&) {
        return std::nullopt;
    }
}

Digest hash_blocking(const Blob& blob, const std::stop_token& stop) {
    Hasher hasher;
    std::vector<std::byte> piece(kHashPiece);
    std::uint64_t at = 0;
    while (const auto size = blob.read_at(at, piece)) {
        if (stop.stop_requested()) fail(Errc::cancelled, "the pull was cancelled");
        hasher.update(std::span(piece).first(size));
        at += size;
    }
    return hasher.finish();
}

class DockerArchive : public ImageSource {
  public:
    DockerArchive(PullContext context, std::unique_ptr<TarIndex> files, std::string image)
        : context_(context), files_(std::move(files)), image_(std::move(image)) {}

    Task<Document> root() override {
        const auto saved = choose(read_manifest());
        own_name_ = saved.RepoTags.empty() ? "" : saved.RepoTags.front();
        if (!image_.empty()) own_name_ = image_;
        Manifest manifest;
        const auto text = read_config(saved, manifest);
        // Layers are known by position only, so how many there are must be right before they are
        // looked at.
        manifest.layers.resize(checked_count(saved.Layers.size()));
        const auto config = parse_config(text, manifest);
        check_total(saved.Layers);
        for (std::size_t i = 0; i < saved.Layers.size(); ++i)
            manifest.layers[i] = co_await describe_layer(saved.Layers[i], config.diff_ids[i]);
        auto digest = digest_of(manifest);
        co_return Document{std::move(manifest), std::move(digest)};
    }

    Task<Document> document(Descriptor descriptor) override {
        fail(Errc::not_found, "{} has no manifest {}", files_->name(),
             descriptor.digest.short_hex());
        co_return Document{};
    }

    Task<Blob> open_blob(Descriptor descriptor) override {
        const auto path = paths_.find(descriptor.digest.to_string());
        if (path == paths_.end()) {
            fail(Errc::not_found, "{} lacks the blob {}", files_->name(),
                 descriptor.digest.to_string());
        }
        co_return find(path->second, "the file");
    }

    bool is_remote() const override { return false; }
    std::string own_name() const override { return own_name_; }

  private:
    Blob find(const std::string& path, std::string_view what) const {
        auto blob = files_->find_linked(path);
        if (!blob) fail(Errc::not_found, "{} lacks {} '{}'", files_->name(), what, path);
        return std::move(*blob);
    }

    std::vector<SavedImage> read_manifest() const {
        const auto what = "the manifest.json of " + files_->name();
        const auto text = read_document(find("manifest.json", "the file"), what);
        return from_json<std::vector<SavedImage>>(parse_foreign_json(text, what), "manifest.json");
    }

    SavedImage choose(std::vector<SavedImage> images) const {
        std::vector<std::string> names;
        for (const auto& image : images) {
            for (const auto& tag : image.RepoTags) {
                names.push_back(tag);
                if (!image_.empty() && canonical(tag) == image_) return image;
            }
        }
        const auto list =
            names.empty() ? std::string("no names") : fmt::format("{}", fmt::join(names, ", "));
        if (!image_.empty()) {
            fail(Errc::not_found, "no image {} in {}; it has {}", image_, files_->name(), list);
        }
        if (images.empty()) fail(Errc::not_found, "{} has no image in it", files_->name());
        if (images.size() > 1) {
            fail(Errc::invalid_argument,
                 "{} has several images ({}); write docker-archive:PATH:IMAGE", files_->name(),
                 list);
        }
        return std::move(images.front());
    }

    std::string read_config(const SavedImage& saved, Manifest& manifest) {
        const auto blob = find(saved.Config, "the image configuration");
        auto text = read_document(blob, "the image configuration");
        manifest.config = {.media_type = kConfigType,
                           .digest = sha256(text),
                           .size = text.size(),
                           .platform = {},
                           .annotations = {}};
        if (const auto claim = claimed_digest(saved.Config)) {
            check_document(text,
                           {.media_type = {},
                            .digest = *claim,
                            .size = text.size(),
                            .platform = {},
                            .annotations = {}},
                           "the image configuration");
        }
        paths_[manifest.config.digest.to_string()] = saved.Config;
        return text;
    }

    static std::size_t checked_count(std::size_t layers) {
        if (layers <= kMaxLayers) return layers;
        fail(Errc::unsupported, "the image has {} layers, more than the limit of {}", layers,
             kMaxLayers);
    }

    /// Before any of them is hashed: one file may be listed many times.
    void check_total(const std::vector<std::string>& layers) const {
        std::uint64_t total = 0;
        for (const auto& path : layers)
            total += find(path, "the layer").size;
        if (total <= kMaxCompressedBytes) return;
        fail(Errc::unsupported, "the image is larger than the limit of {} GiB",
             kMaxCompressedBytes >> 30);
    }

    /// An uncompressed layer is known by its diff_id, a compressed one by its name, where that is a
    /// digest; whichever it is, the pull verifies both.
    Task<Descriptor> describe_layer(std::string path, Digest diff_id) {
        const auto blob = find(path, "the layer");
        std::array<std::byte, 4> head{};
        const auto size = blob.read_at(0, head);
        const bool is_plain = sniff_compression(std::span(head).first(size)) == Compression::none;
        Descriptor layer{.media_type = kLayerType,
                         .digest = std::move(diff_id),
                         .size = blob.size,
                         .platform = {},
                         .annotations = {}};
        if (!is_plain) {
            const auto claim = path.starts_with(kBlobs) ? claimed_digest(path) : std::nullopt;
            layer.digest = claim ? *claim : co_await hash(blob);
        }
        paths_[layer.digest.to_string()] = path;
        co_return layer;
    }

    /// Each file once, however many names it has.
    Task<Digest> hash(const Blob& blob) {
        const auto known = hashed_.find(blob.offset);
        if (known != hashed_.end()) co_return known->second;
        auto job = [&blob](std::stop_token stop) { return hash_blocking(blob, stop); };
        auto digest = co_await run_blocking(context_.pool, job);
        hashed_.emplace(blob.offset, digest);
        co_return digest;
    }

    static Digest digest_of(const Manifest& manifest) {
        WireManifest wire{.config = to_wire(manifest.config), .layers = {}};
        for (const auto& layer : manifest.layers)
            wire.layers.push_back(to_wire(layer));
        return sha256(boost::json::serialize(to_json(wire)));
    }

    PullContext context_;
    std::unique_ptr<TarIndex> files_;
    std::string image_;
    std::string own_name_;
    std::map<std::string, std::string> paths_;  ///< of configuration and layers, by digest
    std::map<std::uint64_t, Digest> hashed_;    ///< compressed layers, by their place in the tar
};

}  // namespace

std::unique_ptr<ImageSource> make_docker_archive(PullContext context,
                                                 std::unique_ptr<TarIndex> files,
                                                 std::string image) {
    return std::make_unique<DockerArchive>(context, std::move(files), std::move(image));
}

}  // namespace banger::image
