#include "daemon/image/image_records.hpp"

#include <spdlog/spdlog.h>

#include <boost/asio/this_coro.hpp>
#include <filesystem>

#include "daemon/image/directories.hpp"
#include "daemon/image/image_info.hpp"
#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/json.hpp"
#include "pipelines/io/shield.hpp"

namespace banger::image {
namespace {

using store::Table;

store::Record to_record(const api::ImageInfo& info) {
    return {.key = info.name, .name = info.name, .document = to_json(info)};
}

api::ImageInfo from_record(const store::Record& record) {
    return from_json<api::ImageInfo>(record.document, record.name);
}

}  // namespace

ImageRecords::ImageRecords(const ImageServiceParts& parts)
    : store_(parts.store),
      pool_(parts.pull.pool),
      directory_(parts.paths.images()),
      users_(parts.users),
      holds_(parts.pull.executor) {}

Task<store::Readable<api::ImageInfo>> ImageRecords::read() {
    co_return store::read_all<api::ImageInfo>(co_await store_.list(Table::images), "image");
}

Task<std::vector<api::ImageInfo>> ImageRecords::list() {
    co_return (co_await read()).values;
}

Task<std::vector<std::string>> ImageRecords::names() {
    std::vector<std::string> result;
    for (const auto& record : co_await store_.list(Table::images))
        result.push_back(record.name);
    co_return result;
}

Task<std::optional<store::Record>> ImageRecords::find_by_name(std::string name) {
    return store_.find_by_name(Table::images, std::move(name));
}

Task<bool> ImageRecords::shared_by_others(api::ImageInfo image) {
    for (const auto& other : co_await list()) {
        if (other.id == image.id && other.name != image.name) co_return true;
    }
    co_return false;
}

Task<std::optional<api::ImageInfo>> ImageRecords::find_content(std::string id, std::string digest,
                                                               Hold& hold) {
    co_await hold.take(id, digest);
    for (const auto& image : co_await list()) {
        if (image.id != id) continue;
        if (image.digest != digest) fail_same_id(id, image.digest, digest);
        if (std::filesystem::exists(image.rootfs_path)) co_return image;
    }
    // A VM may still use one that has no record.
    const auto there = co_await run_blocking(
        pool_, [&](std::stop_token) { return recorded_digest_blocking(directory_ + "/" + id); });
    if (there && *there != digest) fail_same_id(id, *there, digest);
    co_return std::nullopt;
}

Task<api::ImageInfo> ImageRecords::keep(api::ImageInfo info) {
    const bool throws = co_await boost::asio::this_coro::throw_if_cancelled();
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    co_await shielded(record(info));
    co_await boost::asio::this_coro::throw_if_cancelled(throws);
    co_return info;
}

Task<void> ImageRecords::forget(api::ImageInfo image) {
    co_await store_.erase(Table::images, image.name);
    co_await drop_content(image.id);
}

Task<void> ImageRecords::drop_put_off() {
    for (const auto& id : holds_.take_put_off()) {
        try {
            co_await drop_content(id);
        } catch (const Error& error) {
            spdlog::warn("the image directory {} stays until the next start: {}", id, error.what());
        }
    }
}

Task<void> ImageRecords::record(api::ImageInfo info) {
    if (info.managed && !std::filesystem::exists(info.rootfs_path)) {
        fail(Errc::conflict, "{} went away before image '{}' was recorded; pull it again",
             info.rootfs_path, info.name);
    }
    const auto before = co_await find_by_name(info.name);
    if (!before) {
        co_await store_.insert(Table::images, to_record(info));
        co_return;
    }
    const auto old = from_record(*before);
    co_await store_.update(Table::images, to_record(info));
    if (old.id != info.id) co_await drop_content(old.id);
}

Task<void> ImageRecords::drop_content(std::string id) {
    return holds_.unless_held(id, [this, id] { return drop_unused(id); });
}

Task<void> ImageRecords::drop_unused(std::string id) {
    for (const auto& image : co_await list()) {
        if (image.id == id) co_return;
    }
    if (!(co_await users_(id)).empty()) co_return;
    co_await run_blocking(
        pool_, [&](std::stop_token) { remove_directory_blocking(directory_ + "/" + id); });
}

}  // namespace banger::image
