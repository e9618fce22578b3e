#include "pipelines/image/blob_cache.hpp"

#include <fcntl.h>
#include <sys/file.h>
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

constexpr std::string_view kPartial = ".partial";
/// A download goes on where a chunk of the pipeline begins; that also drops a torn end.
constexpr std::uint64_t kResumeUnit = 256 * 1024;

/// Nothing for what is no blob: a temporary file, or somebody else's.
std::optional<Digest> find_digest(const std::string& algorithm, const std::string& hex) {
    try {
        return parse_digest(algorithm + ":" + hex);
    } catch (const Error&) {
        return std::nullopt;
    }
}

/// A partial blob, locked: nobody else writes or removes it while this is open. Null when somebody
/// does, and when it is gone.
UniqueFd lock_partial(const std::string& path, int flags) {
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC | flags, 0600));
    if (!fd || ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return {};
    // Between the two it may have been given its name, or been removed.
    struct stat mine{};
    struct stat there{};
    const bool is_same = ::fstat(fd.get(), &mine) == 0 && S_ISREG(mine.st_mode) &&
                         ::lstat(path.c_str(), &there) == 0 && mine.st_dev == there.st_dev &&
                         mine.st_ino == there.st_ino;
    return is_same ? std::move(fd) : UniqueFd();
}

std::chrono::system_clock::time_point used_at(const struct stat& status) {
    const auto used = std::chrono::seconds(status.st_mtim.tv_sec) +
                      std::chrono::nanoseconds(status.st_mtim.tv_nsec);
    return std::chrono::system_clock::time_point(
        std::chrono::duration_cast<std::chrono::system_clock::duration>(used));
}

/// The files whose names are those of blobs with `ending`, the oldest first.
std::vector<CachedBlob> list_files(const std::string& directory, std::string_view ending) {
    std::vector<CachedBlob> blobs;
    std::error_code missing;
    for (const auto& item : fs::recursive_directory_iterator(directory, missing)) {
        std::string name = item.path().filename();
        if (!name.ends_with(ending)) continue;
        name.resize(name.size() - ending.size());
        const auto digest = find_digest(item.path().parent_path().filename().string(), name);
        struct stat status{};
        if (!digest || ::lstat(item.path().c_str(), &status) != 0 || !S_ISREG(status.st_mode)) {
            continue;
        }
        blobs.push_back({*digest, static_cast<std::uint64_t>(status.st_size), used_at(status)});
    }
    std::sort(blobs.begin(), blobs.end(), [](const auto& a, const auto& b) {
        return std::tie(a.used_at, a.digest.hex) < std::tie(b.used_at, b.digest.hex);
    });
    return blobs;
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

void BlobCache::Writer::leave() noexcept {
    if (is_partial_) temporary_.clear();
}

std::size_t BlobCache::Writer::read_resumed(std::uint64_t at, std::span<std::byte> buffer) const {
    const auto left = resumed_ - std::min(at, resumed_);
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left, buffer.size()));
    std::size_t done = 0;
    while (done < size) {
        const auto count =
            ::pread(fd_.get(), buffer.data() + done, size - done, static_cast<off_t>(at + done));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) fail_errno(errno, "cannot read {}", temporary_);
        if (count == 0) fail(Errc::internal, "{} has become shorter", temporary_);
        done += static_cast<std::size_t>(count);
    }
    return done;
}

void BlobCache::Writer::write(std::span<const std::byte> bytes) {
    const auto known = std::min<std::uint64_t>(bytes.size(), resumed_ - passed_over_);
    passed_over_ += known;
    bytes = bytes.subspan(static_cast<std::size_t>(known));
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
    return list_files(blobs_, "");
}

std::vector<CachedBlob> BlobCache::list_partials_blocking() const {
    auto partials = list_files(blobs_, kPartial);
    std::erase_if(partials, [this](const CachedBlob& blob) {
        return !lock_partial(path_of(blob.digest).append(kPartial), 0);
    });
    return partials;
}

bool BlobCache::remove_partial_blocking(const Digest& digest) const {
    const auto path = path_of(digest).append(kPartial);
    const auto locked = lock_partial(path, 0);
    return locked && ::unlink(path.c_str()) == 0;
}

std::unique_ptr<BlobCache::Writer> BlobCache::begin(const Digest& digest, std::uint64_t size,
                                                    bool resume) const {
    const auto directory = blobs_ + digest.algorithm;
    std::error_code ec;
    std::filesystem::create_directories(directory, ec);
    if (ec) fail_errno(ec.value(), "cannot make the directory {}", directory);
    auto writer = take_partial(digest, size, resume);
    if (!writer) {
        const auto path = path_of(digest);
        auto temporary = path + ".tmp-XXXXXX";
        UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
        if (!fd) fail_errno(errno, "cannot make {}", temporary);
        writer.reset(new Writer(path, std::move(fd), std::move(temporary)));
    }
    SpaceGuard(directory, disk_reserve_).check_blocking(size - std::min(size, writer->resumed()));
    return writer;
}

std::unique_ptr<BlobCache::Writer> BlobCache::take_partial(const Digest& digest, std::uint64_t size,
                                                           bool resume) const {
    const auto path = path_of(digest);
    auto partial = path + std::string(kPartial);
    auto fd = lock_partial(partial, O_CREAT);
    if (!fd) return nullptr;
    struct stat status{};
    if (::fstat(fd.get(), &status) != 0) fail_errno(errno, "cannot look at {}", partial);
    const auto there = static_cast<std::uint64_t>(status.st_size);
    const auto resumed = resume && there <= size ? there / kResumeUnit * kResumeUnit : 0;
    if (resumed != there && ::ftruncate(fd.get(), static_cast<off_t>(resumed)) != 0) {
        fail_errno(errno, "cannot shorten {}", partial);
    }
    if (::lseek(fd.get(), static_cast<off_t>(resumed), SEEK_SET) < 0) {
        fail_errno(errno, "cannot write {}", partial);
    }
    std::unique_ptr<Writer> writer(new Writer(path, std::move(fd), std::move(partial)));
    writer->resumed_ = resumed;
    writer->is_partial_ = true;
    return writer;
}

std::string BlobCache::path_of(const Digest& digest) const {
    return blobs_ + digest.algorithm + "/" + digest.hex;
}

}  // namespace banger::image
