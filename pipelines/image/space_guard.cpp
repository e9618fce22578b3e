#include "pipelines/image/space_guard.hpp"

#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>

#include "pipelines/io/error.hpp"

namespace banger::image {
namespace {

constexpr std::uint64_t kMiB = 1ull << 20;
constexpr std::uint64_t kMostKeptFree = 1024 * kMiB;

std::string to_mib(std::uint64_t bytes) {
    return fmt::format("{} MiB", (bytes + kMiB - 1) / kMiB);
}

}  // namespace

void SpaceGuard::check_blocking(std::uint64_t needed) const {
    struct statvfs status{};
    if (::statvfs(path_.c_str(), &status) != 0) fail_errno(errno, "cannot examine {}", path_);
    const std::uint64_t free = status.f_bavail * status.f_frsize;
    const std::uint64_t total = status.f_blocks * status.f_frsize;
    const auto kept = reserve_ > 0 ? reserve_ : std::min(kMostKeptFree, total / 20);
    if (free >= kept + needed) return;
    const auto wanted = needed == 0 ? std::string() : fmt::format(" of {} needed", to_mib(needed));
    fail(Errc::no_space, "not enough space in {}: {}{} free, and {} must stay free", path_,
         to_mib(free), wanted, to_mib(kept));
}

}  // namespace banger::image
