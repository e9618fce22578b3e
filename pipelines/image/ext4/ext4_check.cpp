#include "pipelines/image/ext4/ext4_check.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "pipelines/image/ext4/ext2fs.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/unique_fd.hpp"

namespace banger::image {
namespace {

constexpr std::size_t kHead = 4096;

/// What a file is that has no superblock.
std::string_view describe(std::string_view head) {
    if (head.empty()) return "it is empty";
    if (head.size() > 262 && head.substr(257, 5) == "ustar") return "it is a tar";
    if (head.starts_with("\x1f\x8b")) return "it is compressed by gzip";
    if (head.starts_with("\x28\xb5\x2f\xfd")) return "it is compressed by zstd";
    if (head.starts_with("hsqs")) return "it is a squashfs";
    if (head.starts_with("QFI\xfb")) return "it is a qcow2 disk";
    return "it has no superblock of one";
}

std::uint64_t size_and_head(const std::string& path, const std::string& name, std::string& head) {
    const auto fd = open_file(path, O_RDONLY | O_NONBLOCK);
    struct stat status{};
    if (::fstat(fd.get(), &status) != 0) fail_errno(errno, "cannot look at {}", path);
    if (!S_ISREG(status.st_mode)) {
        fail(Errc::invalid_argument, "{} is no regular file", name);
    }
    head.resize(kHead);
    const auto count = ::pread(fd.get(), head.data(), head.size(), 0);
    if (count < 0) fail_errno(errno, "cannot read {}", path);
    head.resize(static_cast<std::size_t>(count));
    return static_cast<std::uint64_t>(status.st_size);
}

}  // namespace

Ext4Facts inspect_ext4_blocking(const std::string& path, const std::string& name) {
    std::string head;
    const auto file_size = size_and_head(path, name, head);
    ext2_filsys opened = nullptr;
    const auto code = ext2fs_open(path.c_str(), EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &opened);
    if (code != 0) {
        const auto why = code == EXT2_ET_BAD_MAGIC || code == EXT2_ET_SHORT_READ
                             ? std::string(describe(head))
                             : ext2_message(code);
        fail(Errc::invalid_argument, "{} is no ext4 file system: {}", name, why);
    }
    const Ext2Handle handle(opened);
    auto* super = opened->super;
    const std::uint64_t block = opened->blocksize;
    if (ext2fs_has_feature_journal_needs_recovery(super)) {
        fail(Errc::invalid_argument,
             "{} was not unmounted in order; run e2fsck -p on it before it is shared", name);
    }
    const auto blocks = ext2fs_blocks_count(super);
    const auto free = std::min<std::uint64_t>(ext2fs_free_blocks_count(super), blocks);
    if (blocks > file_size / block) {
        fail(Errc::invalid_argument, "{} is cut short: it has {} bytes of {}", name, file_size,
             blocks * block);
    }
    return {.size = blocks * block, .used_bytes = (blocks - free) * block};
}

}  // namespace banger::image
