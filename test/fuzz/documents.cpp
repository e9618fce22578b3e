#include "pipelines/image/registry/manifest.hpp"
#include "pipelines/io/error.hpp"
#include "test/fuzz/fuzz.hpp"

using namespace banger;

namespace {

void look_at(const image::Index& index) {
    for (const auto& candidate : image::amd64_candidates(index, 4))
        fuzz::promise(!candidate.digest.hex.empty());
    image::list_platforms(index);
}

void look_at(const image::Manifest& manifest) {
    std::uint64_t total = 0;
    fuzz::promise(manifest.layers.size() <= image::kMaxLayers);
    for (const auto& layer : manifest.layers)
        total += layer.size;
    fuzz::promise(total <= image::kMaxCompressedBytes);
}

}  // namespace

/// The input as a manifest or index, and as the configuration of an image without layers and of one
/// with a layer.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::as_text(data, size);
    try {
        const auto document = image::parse_manifest(text, "application/json");
        std::visit([](const auto& it) { look_at(it); }, document);
        fuzz::accept();
    } catch (const Error&) {
    }
    for (std::size_t layers = 0; layers < 2; ++layers) {
        image::Manifest manifest;
        manifest.layers.resize(layers);
        try {
            fuzz::promise(image::parse_config(text, manifest).diff_ids.size() == layers);
            // Of no layers, any object is the configuration.
            if (layers > 0) fuzz::accept();
        } catch (const Error&) {
        }
    }
    return 0;
}
