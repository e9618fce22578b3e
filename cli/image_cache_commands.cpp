#include <memory>

#include "cli/commands.hpp"
#include "cli/format.hpp"
#include "cli/table.hpp"
#include "daemon/api/types.hpp"
#include "pipelines/io/json.hpp"

namespace banger::cli {
namespace {

constexpr std::size_t kShownDigest = 19;

std::string render(const std::vector<api::CachedBlob>& blobs) {
    Table table({"DIGEST", "SIZE", "USED", "IMAGES"});
    for (const auto& blob : blobs) {
        table.add({blob.digest.substr(0, kShownDigest), format_bytes(blob.size),
                   format_time(blob.used_at), fmt::format("{}", fmt::join(blob.images, ", "))});
    }
    return table.render();
}

std::string count(const std::vector<api::CachedBlob>& blobs) {
    return fmt::format("{} {}", blobs.size(), blobs.size() == 1 ? "layer" : "layers");
}

Task<int> list(Session& session) {
    const auto answer = co_await session.client.get("/v1/image-cache");
    if (session.json) {
        print_json(answer);
        co_return 0;
    }
    const auto cache = from_json<api::ImageCacheInfo>(answer);
    print(render(cache.blobs));
    say(fmt::format("{}, {} of at most {}", count(cache.blobs), format_bytes(cache.bytes),
                    format_bytes(cache.limit)));
    co_return 0;
}

Task<int> prune(Session& session, api::ImageCachePruneRequest request) {
    const auto answer = co_await session.client.post("/v1/image-cache/prune", to_json(request));
    if (session.json) {
        print_json(answer);
        co_return 0;
    }
    const auto pruned = from_json<api::ImageCachePruned>(answer);
    if (!pruned.blobs.empty()) print(render(pruned.blobs));
    say(fmt::format("{} {}, {}", request.dry_run ? "would remove" : "removed", count(pruned.blobs),
                    format_bytes(pruned.bytes)));
    co_return 0;
}

}  // namespace

void add_image_cache_commands(CLI::App& image, Invocation& invocation) {
    auto* cache = image.add_subcommand("cache", "downloaded layers, kept for the next pull");
    cache->require_subcommand(1);
    auto* list_command = add_command(*cache, "list", "list cached layers", invocation);
    list_command->alias("ls")->callback([&invocation] { invocation.action = list; });
    auto request = std::make_shared<api::ImageCachePruneRequest>();
    auto* prune_command =
        add_command(*cache, "prune", "remove cached layers that no image is made of", invocation);
    prune_command->add_flag("--all", request->all, "also those of images");
    prune_command->add_flag("--dry-run", request->dry_run, "only say what would go");
    prune_command->callback([request, &invocation] {
        invocation.action = [request](Session& session) { return prune(session, *request); };
    });
}

}  // namespace banger::cli
