#include "pipelines/image/ext4/sparse_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "pipelines/io/error.hpp"
#include "pipelines/io/unique_fd.hpp"

namespace banger::image {
namespace {

void write_zeros(int fd, const std::string& path, std::uint64_t offset, std::uint64_t size) {
    static const std::vector<char> zeros(1024 * 1024);
    while (size > 0) {
        ssize_t written = ::pwrite(fd, zeros.data(), std::min<std::uint64_t>(size, zeros.size()),
                                   static_cast<off_t>(offset));
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) fail_errno(errno, "cannot clear unused blocks of {}", path);
        offset += static_cast<std::uint64_t>(written);
        size -= static_cast<std::uint64_t>(written);
    }
}

/// False when the file system cannot.
bool punch(int fd, const std::string& path, std::uint64_t offset, std::uint64_t size) {
    int result = ::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                             static_cast<off_t>(offset), static_cast<off_t>(size));
    if (result == 0) return true;
    if (errno == EOPNOTSUPP) return false;
    fail_errno(errno, "cannot give back unused blocks of {}", path);
}

}  // namespace

bool clear_free_blocks(const std::string& path, const BlockMap& map) {
    UniqueFd fd = open_file(path, O_RDWR);
    struct stat status{};
    if (::fstat(fd.get(), &status) != 0) fail_errno(errno, "cannot look at {}", path);
    auto old_size = static_cast<std::uint64_t>(status.st_size);
    if (::ftruncate(fd.get(), static_cast<off_t>(map.size() * kBlockSize)) != 0) {
        fail_errno(errno, "cannot size {} to {} bytes", path, map.size() * kBlockSize);
    }
    bool can_punch = true;
    map.for_each_free([&](BlockRun run) {
        std::uint64_t offset = run.start * kBlockSize;
        if (offset >= old_size) return;
        std::uint64_t size = std::min(run.count * kBlockSize, old_size - offset);
        can_punch = can_punch && punch(fd.get(), path, offset, size);
        if (!can_punch) write_zeros(fd.get(), path, offset, size);
    });
    return can_punch;
}

void sync_file(const std::string& path) {
    UniqueFd fd = open_file(path, O_RDWR);
    if (::fsync(fd.get()) != 0) fail_errno(errno, "cannot sync {}", path);
}

}  // namespace banger::image
