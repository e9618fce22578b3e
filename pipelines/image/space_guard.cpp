#include "pipelines/image/space_guard.hpp"

#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>

#include "pipelines/io/error.hpp"

namespace banger::image {
namespace {

constexpr std::uint64_t kMiB = 1ull << 20;
constexpr std::uint64_t kMostKeptFree = 1024 * kMiB;

}  // namespace

void SpaceGuard::check_blocking(std::uint64_t needed) const {
    struct statvfs status{};
    if (::statvfs(path_.c_str(), &status) != 0) fail_errno(errno, "cannot examine {}", path_);
    const std::uint64_t free = status.f_bavail * status.f_frsize;
    const std::uint64_t total = status.f_blocks * status.f_frsize;
    const auto kept = std::min(kMostKeptFree, total / 20);
    if (free >= kept + needed) return;
    fail(Errc::no_space, "not enough space in {}: {} MiB free, {} MiB needed and {} MiB kept free",
         path_, free / kMiB, (needed + kMiB - 1) / kMiB, kept / kMiB);
}

}  // namespace banger::image
