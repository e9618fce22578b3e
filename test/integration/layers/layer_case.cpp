#include "test/integration/layers/layer_case.hpp"

#include <algorithm>
#include <stdexcept>

#include "pipelines/io/digest.hpp"
#include "test/support/pull_fixture.hpp"

namespace banger::test {
namespace {

ImageSpec plain_layers(const std::vector<TarBuilder>& layers) {
    ImageSpec spec;
    for (const auto& layer : layers)
        spec.layers.push_back({.tar = layer.finish(), .packing = Packing::plain});
    return spec;
}

}  // namespace

bool Tree::holds(std::string_view path, std::string_view content) const {
    const auto* entry = fs.find(path);
    return entry && entry->type == 'f' && entry->size == content.size() &&
           entry->sha256 == sha256(content).hex;
}

std::string Tree::names() const {
    std::string all;
    for (const auto& entry : fs.entries) {
        if (entry.path == "/" || entry.path == "/lost+found") continue;
        all += (all.empty() ? "" : " ") + entry.path;
    }
    return all;
}

bool Tree::warns(std::string_view text) const {
    return std::any_of(warnings.begin(), warnings.end(), [&](const std::string& warning) {
        return warning.find(text) != std::string::npos;
    });
}

Tree tree_of_image(const ImageSpec& spec) {
    const TempDir dir;
    OciBuilder layout(dir / "layout");
    layout.tag("case", layout.image(spec));
    PullFixture fixture;
    Tree tree;
    tree.warnings = fixture.pull(layout.source("case")).warnings;
    tree.fs = fixture.read();
    const auto first = fixture.fingerprint();
    fixture.remove_staging();
    fixture.pull(layout.source("case"), {.uring = false, .parallel_layers = 1});
    CHECK(fixture.fingerprint() == first);
    return tree;
}

Tree tree_of(const std::vector<TarBuilder>& layers) {
    return tree_of_image(plain_layers(layers));
}

std::string refusal_of_image(const ImageSpec& spec) {
    const TempDir dir;
    OciBuilder layout(dir / "layout");
    layout.tag("case", layout.image(spec));
    PullFixture fixture;
    const auto error = fixture.failure(layout.source("case"));
    CHECK(fixture.leftovers().empty());
    const bool is_known =
        error.code() == Errc::invalid_argument || error.code() == Errc::unsupported;
    if (!is_known) throw std::runtime_error(std::string("another kind of error: ") + error.what());
    return error.what();
}

std::string refusal_of(const std::vector<TarBuilder>& layers) {
    return refusal_of_image(plain_layers(layers));
}

}  // namespace banger::test
