#include "daemon/image/local_images.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <filesystem>
#include <set>

#include "catalog/catalog.hpp"
#include "daemon/image/catalog_images.hpp"
#include "daemon/image/catalog_service.hpp"
#include "daemon/image/directories.hpp"
#include "daemon/image/image_cache.hpp"
#include "daemon/image/image_info.hpp"
#include "daemon/image/image_records.hpp"
#include "daemon/image/names.hpp"
#include "daemon/image/pull_slots.hpp"
#include "daemon/image/registered_images.hpp"
#include "daemon/image/shared_work.hpp"
#include "pipelines/image/opened_image.hpp"
#include "pipelines/image/registry/archive_spool.hpp"
#include "pipelines/image/registry/reference.hpp"
#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/shield.hpp"
#include "pipelines/io/utf8.hpp"

namespace banger::image {
namespace {

constexpr std::size_t kArchivePiece = 256 * 1024;

// What a source is called in full; a text that is none stands for itself. What came through
// standard input cannot be asked for again.
std::optional<std::string> canonical_source(const std::string& text) {
    try {
        const auto source = parse_source(text);
        const auto* archive = std::get_if<ArchiveReference>(&source);
        if (archive && archive->is_standard_input()) return std::nullopt;
        return to_string(source);
    } catch (const Error&) {
        return text;
    }
}

Credential to_credential(const std::optional<api::RegistryAuth>& given) {
    if (!given) return {};
    return {given->username.value_or(""), given->password.value_or(""),
            given->identity_token.value_or(""), given->registry_token.value_or("")};
}

class LocalImages final : public ImageService {
  public:
    explicit LocalImages(ImageServiceParts parts)
        : parts_(std::move(parts)),
          cache_(parts_.paths, parts_.pull.pool, parts_.cache_limit),
          slots_(parts_.pull.executor),
          records_(parts_),
          pulls_(parts_.pull.executor) {
        parts_.pull.in_use = &cache_.in_use();
    }

    Task<std::vector<api::ImageInfo>> list() override { return records_.list(); }

    Task<std::optional<api::ImageInfo>> find(std::string ref) override {
        const auto images = co_await list();
        auto matches = [&](auto&& property) { return std::ranges::find_if(images, property); };
        auto found = matches([&](const auto& image) { return image.name == ref; });
        if (found == images.end()) {
            found =
                matches([&](const auto& image) { return image.id == ref || image.digest == ref; });
        }
        if (found == images.end()) {
            const auto canonical = canonical_source(ref);
            found = matches([&](const auto& image) { return image.reference == canonical; });
        }
        if (found == images.end()) co_return std::nullopt;
        co_return *found;
    }

    Task<api::ImageInfo> show(std::string ref) override {
        if (auto image = co_await find(ref)) co_return *image;
        fail_unknown("image", ref, co_await records_.names());
    }

    Task<api::ImageInfo> pull(api::ImagePullRequest request, ProgressSink progress) override {
        return pull_archive(std::move(request), nullptr, std::move(progress));
    }

    Task<Archive> receive(std::string reference, ByteSource& source) override {
        const auto parsed = parse_source(reference);
        const auto* wanted = std::get_if<ArchiveReference>(&parsed);
        if (!wanted || !wanted->is_standard_input()) {
            fail(Errc::invalid_argument, "'{}' does not mean the archive that was sent; write {}",
                 reference, "'-', 'docker-archive:-' or 'oci-archive:-'");
        }
        ArchiveSpool spool(parts_.paths.images(), parts_.pull.disk_reserve);
        std::vector<std::byte> piece(kArchivePiece);
        while (const auto size = co_await source.read_some(piece)) {
            co_await run_blocking(parts_.pull.pool, [&](std::stop_token) {
                spool.write_blocking(std::span(piece).first(size));
            });
        }
        auto file = co_await run_blocking(parts_.pull.pool,
                                          [&](std::stop_token) { return spool.finish_blocking(); });
        co_return std::make_shared<const UniqueFd>(std::move(file));
    }

    Task<api::ImageInfo> pull_archive(api::ImagePullRequest request, Archive archive,
                                      ProgressSink progress) override {
        return settle(pull_held(std::move(request), std::move(archive), std::move(progress)));
    }

    Task<api::ImageInfo> register_image(api::ImageRegisterRequest request) override {
        check_name("image", request.name);
        if (co_await records_.find_by_name(request.name)) {
            fail(Errc::already_exists, "there is an image named '{}' already", request.name);
        }
        auto info = co_await run_blocking(parts_.pull.pool, [&](std::stop_token) {
            return describe_registered_blocking(request);
        });
        co_return co_await records_.keep(std::move(info));
    }

    Task<api::ImageInfo> promote(std::string ref, ProgressSink progress) override {
        return settle(promote_held(std::move(ref), std::move(progress)));
    }

    Task<void> check_registry(api::RegistryCheckRequest request) override {
        return image::check_login(parts_.pull, request.registry, parts_.registries,
                                  to_credential(request.registry_auth));
    }

    Task<void> remove(std::string ref) override {
        const auto image = co_await show(ref);
        if (!co_await records_.shared_by_others(image)) {
            const auto users = co_await parts_.users(image.id);
            if (!users.empty()) {
                fail(Errc::conflict, "image '{}' is used by {}; delete {} first", image.name,
                     fmt::join(users, ", "), users.size() == 1 ? "that VM" : "those VMs");
            }
        }
        co_await shielded(records_.forget(image));
    }

    Task<api::ImageCacheInfo> cache() override { co_return co_await cache_.info(co_await list()); }

    Task<api::ImageCachePruned> prune_cache(api::ImageCachePruneRequest request) override {
        co_return co_await cache_.prune(co_await list(), request);
    }

    Task<void> reconcile() override {
        std::set<std::string> ids;
        const auto images = co_await records_.read();
        for (const auto& image : images.values) {
            ids.insert(image.id);
            if (!std::filesystem::exists(image.rootfs_path)) {
                spdlog::warn("image {}: {} is missing; pull it again", image.name,
                             image.rootfs_path);
            }
        }
        // A running VM may still hold an image whose name has moved on.
        const std::string directory = parts_.paths.images();
        std::set<std::string> used;
        for (const auto& entry : std::filesystem::directory_iterator(directory)) {
            const std::string id = entry.path().filename();
            if (!(co_await parts_.users(id)).empty()) used.insert(id);
        }
        co_await run_blocking(parts_.pull.pool, [&](std::stop_token) {
            sweep_temporaries_blocking(parts_.paths.cache + "/oci/blobs");
            sweep_directory_blocking(directory, [&](const std::string& name) {
                return !images.complete || ids.contains(name) || used.contains(name);
            });
        });
        co_await cache_.shrink();
    }

  private:
    Task<api::ImageInfo> pull_held(api::ImagePullRequest request, Archive archive,
                                   ProgressSink progress) {
        if (request.name) check_name("image", *request.name);
        if (progress) progress({.stage = "resolve", .message = "resolving " + request.reference});
        std::optional<api::AvailableEntry> entry;
        if (!archive && may_be_entry(request.reference)) {
            entry = co_await parts_.catalogs.find(catalog::kImages, request.reference);
        }
        ImageRecords::Hold hold(records_.holds());
        if (entry && entry->kind != "oci") {
            co_return co_await pull_bundle(std::move(request), *entry, hold, std::move(progress));
        }
        if (entry) take_reference(request, *entry);
        const std::uint64_t size = request.size.value_or(0);
        const auto opened = co_await open(request, std::move(archive), progress);
        auto info = co_await find_unchanged(*opened, size, hold);
        if (!info) info = co_await resolve_and_fetch(opened, size, hold, std::move(progress));
        info->name = request.name ? *request.name : opened->suggested_name();
        info->reference = opened->reference();
        info->kernel_ref = request.kernel_ref.value_or("");
        info->description = entry ? entry->description : "";
        co_return co_await records_.keep(std::move(*info));
    }

    // What was put off while `work` counted on it goes now. What an image or a registry says may be
    // part of the failure: one line of it is passed on, fit to be printed.
    Task<api::ImageInfo> settle(Task<api::ImageInfo> work) {
        std::optional<api::ImageInfo> info;
        std::exception_ptr failure;
        try {
            info = co_await std::move(work);
        } catch (const Error& error) {
            failure = std::make_exception_ptr(Error(error.code(), printable(error.what())));
        } catch (const std::exception&) {
            failure = std::current_exception();
        }
        const bool throws = co_await boost::asio::this_coro::throw_if_cancelled();
        co_await boost::asio::this_coro::throw_if_cancelled(false);
        co_await shielded(records_.drop_put_off());
        co_await boost::asio::this_coro::throw_if_cancelled(throws);
        if (failure) std::rethrow_exception(failure);
        co_return std::move(*info);
    }

    // An image that was pulled by this reference before, when that still stands for the same: the
    // registry is asked for no more than that. It also has to let the client in, each time anew.
    Task<std::optional<api::ImageInfo>> find_unchanged(OpenedImage& opened, std::uint64_t size,
                                                       ImageRecords::Hold& hold) {
        const auto reference = opened.reference();
        std::optional<Digest> digest;
        for (const auto& image : co_await list()) {
            if (image.reference != reference || image.source_digest.empty()) continue;
            if (image.id != image_id(parse_digest(image.digest), size)) continue;
            co_await hold.take(image.id, image.digest);
            if (!std::filesystem::exists(image.rootfs_path)) continue;
            if (!digest) digest = co_await opened.source_digest();
            if (!digest) co_return std::nullopt;
            if (digest->to_string() == image.source_digest) co_return image;
        }
        co_return std::nullopt;
    }

    Task<api::ImageInfo> pull_bundle(api::ImagePullRequest request, api::AvailableEntry entry,
                                     ImageRecords::Hold& hold, ProgressSink progress) {
        check_bundle(request, entry);
        const Digest digest{"sha256", entry.sha256};
        auto info = co_await records_.find_content(image_id(digest, 0), digest.to_string(), hold);
        if (!info) {
            auto work = [this, entry](ProgressSink sink) {
                return fetch_bundle(parts_, entry, std::move(sink));
            };
            info = co_await pulls_.join(digest.to_string(), slots_.in_turn<api::ImageInfo>(work),
                                        std::move(progress));
        }
        info->name = request.name.value_or(entry.name);
        if (request.kernel_ref) info->kernel_ref = *request.kernel_ref;
        co_return co_await records_.keep(std::move(*info));
    }

    Task<api::ImageInfo> promote_held(std::string ref, ProgressSink progress) {
        const auto image = co_await show(ref);
        if (image.managed) co_return image;
        auto work = [this, image](ProgressSink sink) { return copy_in(image, std::move(sink)); };
        co_return co_await pulls_.join("promote " + image.name, work, std::move(progress));
    }

    Task<api::ImageInfo> copy_in(api::ImageInfo image, ProgressSink progress) {
        if (progress) progress({.stage = "copy", .message = "copying " + image.rootfs_path});
        const StagingDirectory staging(parts_.paths.images() + "/" + image.id + ".staging");
        auto info = co_await run_blocking(parts_.pull.pool, [&](std::stop_token stop) {
            remove_directory_blocking(staging.path());
            return copy_registered_blocking(image, staging.path(), std::move(stop));
        });
        ImageRecords::Hold hold(records_.holds());
        co_await records_.find_content(info.id, info.digest, hold);
        const auto final_path = parts_.paths.images() + "/" + info.id;
        info.rootfs_path = final_path + "/rootfs.ext4";
        co_await shielded(publish(parts_.pull.pool, staging.path(), final_path));
        co_return co_await records_.keep(std::move(info));
    }

    Task<api::ImageInfo> resolve_and_fetch(std::shared_ptr<OpenedImage> opened, std::uint64_t size,
                                           ImageRecords::Hold& hold, ProgressSink progress) {
        // Also what decides who may join a pull under way.
        co_await opened->resolve();
        const auto digest = opened->image().digest.to_string();
        const auto id = image_id(opened->image().digest, size);
        auto info = co_await records_.find_content(id, digest, hold);
        if (!info) {
            auto work = [this, opened, id, size](ProgressSink sink) {
                return fetch(opened, id, size, std::move(sink));
            };
            info = co_await pulls_.join(fmt::format("{}-{}", digest, size),
                                        slots_.in_turn<api::ImageInfo>(work), std::move(progress));
        }
        info->source_digest = opened->image().source.to_string();
        co_return *info;
    }

    // An archive is read, inflated and hashed here, which is work as a pull is; its turn ends
    // before that of the pull begins.
    Task<std::shared_ptr<OpenedImage>> open(api::ImagePullRequest request, Archive archive,
                                            ProgressSink progress) {
        std::optional<PullSlots::Slot> slot;
        if (std::holds_alternative<ArchiveReference>(parse_source(request.reference))) {
            slot.emplace(co_await slots_.take(std::move(progress)));
        }
        auto opened = co_await open_image(parts_.pull, request.reference,
                                          {.registries = parts_.registries,
                                           .credential = to_credential(request.registry_auth),
                                           .spool_dir = parts_.paths.images(),
                                           .standard_input = std::move(archive)});
        if (slot) co_await opened->resolve();
        co_return opened;
    }

    Task<api::ImageInfo> fetch(std::shared_ptr<OpenedImage> opened, std::string id,
                               std::uint64_t size, ProgressSink progress) {
        const std::string final_path = parts_.paths.images() + "/" + id;
        PullRequest request;
        request.image = std::move(opened);
        request.staging_dir = final_path + ".staging";
        request.cache_dir = parts_.paths.cache;
        request.size = size;
        const StagingDirectory staging(request.staging_dir);
        const auto pulled = co_await image::pull(parts_.pull, request, std::move(progress));
        co_await shielded(publish(parts_.pull.pool, staging.path(), final_path));
        co_await shielded(cache_.shrink());
        co_return describe_image(pulled, id, parts_.paths.images() + "/" + id);
    }

    ImageServiceParts parts_;
    ImageCache cache_;
    PullSlots slots_;
    ImageRecords records_;
    SharedWork<api::ImageInfo> pulls_;
};

}  // namespace

std::unique_ptr<ImageService> make_image_service(ImageServiceParts parts) {
    make_directories_blocking(parts.paths.images());
    make_directories_blocking(parts.paths.cache);
    return std::make_unique<LocalImages>(std::move(parts));
}

}  // namespace banger::image
