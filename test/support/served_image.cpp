#include "test/support/served_image.hpp"

#include "pipelines/io/digest.hpp"
#include "test/support/catch.hpp"
#include "test/support/tar_builder.hpp"

namespace banger::test {
namespace {

constexpr const char* kManifestType = "application/vnd.oci.image.manifest.v1+json";
constexpr const char* kConfigType = "application/vnd.oci.image.config.v1+json";
constexpr const char* kLayerType = "application/vnd.oci.image.layer.v1.tar";

std::string descriptor(const std::string& type, const std::string& digest, std::size_t size,
                       const std::string& more = "") {
    return R"({"mediaType":")" + type + R"(","digest":")" + digest + R"(","size":)" +
           std::to_string(size) + more + "}";
}

}  // namespace

std::string noise(std::size_t size, unsigned seed) {
    std::string bytes(size, '\0');
    for (auto& c : bytes) {
        seed = seed * 1664525 + 1013904223;
        c = static_cast<char>(seed >> 24);
    }
    return bytes;
}

ServedImage::ServedImage(const std::vector<std::string>& tars, const std::string& more) {
    std::string list, diff_ids;
    for (const auto& tar : tars) {
        digests.push_back(sha256(tar).to_string());
        const auto& digest = digests.back();
        documents["/blobs/" + digest] = tar;
        const bool first = list.empty();
        list += (first ? "" : ",") + descriptor(kLayerType, digest, tar.size(), first ? more : "");
        diff_ids += std::string(first ? "" : ",") + "\"" + digest + "\"";
    }
    const auto config =
        R"({"architecture":"amd64","os":"linux","rootfs":{"diff_ids":[)" + diff_ids + "]}}";
    config_digest = sha256(config).to_string();
    documents["/blobs/" + config_digest] = config;
    manifest = R"({"schemaVersion":2,"mediaType":")" + std::string(kManifestType) +
               R"(","config":)" + descriptor(kConfigType, config_digest, config.size()) +
               R"(,"layers":[)" + list + "]}";
}

std::string ServedImage::digest() const {
    return sha256(manifest).to_string();
}

bool ServedImage::is_layer(const ServerRequest& request) const {
    for (const auto& digest : digests) {
        if (request.target.ends_with(digest)) return true;
    }
    return false;
}

bool ServedImage::is_blob(const ServerRequest& request) const {
    return request.target.find("/blobs/") != std::string::npos;
}

ServerReply ServedImage::serve(const ServerRequest& request) const {
    if (request.target.find("/manifests/") != std::string::npos) {
        return {.headers = {{"Content-Type", kManifestType}, {"Docker-Content-Digest", digest()}},
                .view = manifest};
    }
    for (const auto& [end, body] : documents) {
        if (request.target.ends_with(end)) return ranged(request, body);
    }
    return {.status = 404};
}

ServedImage one_layer(unsigned seed) {
    return ServedImage({TarBuilder().file("big", noise(3'000'000, seed)).finish()});
}

void check_big(PullFixture& fixture, unsigned seed) {
    CHECK(fixture.read().at("/big").sha256 == sha256(noise(3'000'000, seed)).hex);
}

std::size_t layer_requests(const ScriptServer& server, const ServedImage& image) {
    std::size_t count = 0;
    for (const auto& request : server.requests())
        count += image.is_layer(request);
    return count;
}

bool has_seen(const ScriptServer& server, const std::string& text) {
    for (const auto& request : server.requests()) {
        auto all = request.target + "\n" + request.body;
        for (const auto& [name, value] : request.headers)
            all += "\n" + name + ": " + value;
        if (all.find(text) != std::string::npos) return true;
    }
    return false;
}

}  // namespace banger::test
