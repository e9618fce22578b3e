#include "pipelines/image/blob_cache.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <tuple>

#include "pipelines/image/space_guard.hpp"
#include "pipelines/io/error.hpp"

namespace banger::image {
namespace {

namespace fs = std::filesystem;

/// Nothing for what is no blob: a temporary file, or somebody else's.
std::optional<Digest> find_digest(const std::string& algorithm, const std::string& hex) {
    try {
        return parse_digest(algorithm + ":" + hex);
    } catch (const Error&) {
        return std::nullopt;
    }
}

}  // namespace

BlobCache::Writer::Writer(std::string path, UniqueFd fd, std::string temporary)
    : path_(std::move(path)), temporary_(std::move(temporary)), fd_(std::move(fd)) {}

BlobCache::Writer::~Writer() {
    discard();
}

void BlobCache::Writer::discard() noexcept {
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
    temporary_.clear();
    fd_.reset();
}

void BlobCache::Writer::write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const auto count = ::write(fd_.get(), bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) fail_errno(errno, "cannot write {}", temporary_);
        bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
}

void BlobCache::Writer::keep() {
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
        fail_errno(errno, "cannot rename {} to {}", temporary_, path_);
    }
    temporary_.clear();
}

UniqueFd BlobCache::find(const Descriptor& descriptor) const {
    UniqueFd fd(::open(path_of(descriptor.digest).c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) return {};
    struct stat status{};
    const bool sound = ::fstat(fd.get(), &status) == 0 && S_ISREG(status.st_mode) &&
                       static_cast<std::uint64_t>(status.st_size) == descriptor.size;
    if (!sound) {
        remove(descriptor.digest);
        return {};
    }
    ::futimens(fd.get(), nullptr);
    return fd;
}

void BlobCache::remove(const Digest& digest) const noexcept {
    ::unlink(path_of(digest).c_str());
}

std::vector<CachedBlob> BlobCache::list_blocking() const {
    std::vector<CachedBlob> blobs;
    std::error_code missing;
    for (const auto& item : fs::recursive_directory_iterator(blobs_, missing)) {
        const auto digest =
            find_digest(item.path().parent_path().filename().string(), item.path().filename());
        struct stat status{};
        if (!digest || ::lstat(item.path().c_str(), &status) != 0 || !S_ISREG(status.st_mode)) {
            continue;
        }
        const auto used = std::chrono::seconds(status.st_mtim.tv_sec) +
                          std::chrono::nanoseconds(status.st_mtim.tv_nsec);
        blobs.push_back(
            {*digest, static_cast<std::uint64_t>(status.st_size),
             std::chrono::system_clock::time_point(
                 std::chrono::duration_cast<std::chrono::system_clock::duration>(used))});
    }
    std::sort(blobs.begin(), blobs.end(), [](const auto& a, const auto& b) {
        return std::tie(a.used_at, a.digest.hex) < std::tie(b.used_at, b.digest.hex);
    });
    return blobs;
}

std::unique_ptr<BlobCache::Writer> BlobCache::begin(const Digest& digest,
                                                    std::uint64_t size) const {
    const auto directory = blobs_ + digest.algorithm;
    std::error_code ec;
    std::filesystem::create_directories(directory, ec);
    if (ec) fail_errno(ec.value(), "cannot make the directory {}", directory);
    SpaceGuard(directory, disk_reserve_).check_blocking(size);
    const auto path = path_of(digest);
    auto temporary = path + ".tmp-XXXXXX";
    UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
    if (!fd) fail_errno(errno, "cannot make {}", temporary);
    return std::unique_ptr<Writer>(new Writer(path, std::move(fd), std::move(temporary)));
}

std::string BlobCache::path_of(const Digest& digest) const {
    return blobs_ + digest.algorithm + "/" + digest.hex;
}

}  // namespace banger::image
