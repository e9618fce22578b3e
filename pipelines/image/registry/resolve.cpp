#include "pipelines/image/registry/resolve.hpp"

#include "pipelines/io/error.hpp"

namespace banger::image {
namespace {

constexpr int kMaxDepth = 3;
/// An index may list any number of entries without a platform; this many are looked into.
constexpr int kMaxDocuments = 16;

struct Search {
    ImageSource& source;
    std::string name;
    int documents = 0;
    std::string found;  ///< platforms seen, for the message
};

void note_platforms(Search& search, const std::string& platforms) {
    if (platforms.empty()) return;
    search.found += (search.found.empty() ? "" : ", ") + platforms;
}

Task<std::optional<ResolvedImage>> look_into(Search& search, Document document, int depth) {
    if (auto* manifest = std::get_if<Manifest>(&document.content)) {
        const auto body =
            co_await read_small_blob(search.source, manifest->config, "the image configuration");
        auto config = parse_config(body, *manifest);
        if (is_linux_amd64(config.platform)) {
            co_return ResolvedImage{
                std::move(document.digest), std::move(*manifest), std::move(config), {}};
        }
        note_platforms(search, config.platform.to_string());
        co_return std::nullopt;
    }
    if (depth > kMaxDepth) {
        fail(Errc::unsupported, "the indexes of {} are nested deeper than {} levels", search.name,
             kMaxDepth);
    }
    const auto& index = std::get<Index>(document.content);
    for (const auto& candidate : amd64_candidates(index, host_cpu_level())) {
        if (++search.documents > kMaxDocuments) break;
        auto child = co_await search.source.document(candidate);
        if (auto image = co_await look_into(search, std::move(child), depth + 1)) co_return image;
    }
    note_platforms(search, list_platforms(index));
    co_return std::nullopt;
}

}  // namespace

Task<ResolvedImage> resolve_image(ImageSource& source, std::string name) {
    Search search{source, std::move(name), 0, {}};
    auto root = co_await source.root();
    const auto root_digest = root.digest;
    auto image = co_await look_into(search, std::move(root), 1);
    if (!image) {
        fail(Errc::unsupported, "{} has no image for linux/amd64; it has {}", search.name,
             search.found.empty() ? "none that names its platform" : search.found);
    }
    image->source = root_digest;
    co_return std::move(*image);
}

}  // namespace banger::image
