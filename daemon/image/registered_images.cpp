#include "daemon/image/registered_images.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "daemon/image/directories.hpp"
#include "daemon/image/names.hpp"
#include "pipelines/image/ext4/ext4_check.hpp"
#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/digest.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/json.hpp"
#include "pipelines/io/time.hpp"
#include "pipelines/io/unique_fd.hpp"

namespace banger::image {
namespace {

constexpr std::size_t kPiece = 1 << 20;
constexpr std::size_t kBlock = 4096;

bool is_zero(const char* bytes, std::size_t size) {
    return std::all_of(bytes, bytes + size, [](char byte) { return byte == 0; });
}

void write_at(int fd, const char* bytes, std::size_t size, off_t at, const std::string& path) {
    while (size > 0) {
        const auto count = ::pwrite(fd, bytes, size, at);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) fail_errno(errno, "cannot write {}", path);
        bytes += count;
        at += count;
        size -= static_cast<std::size_t>(count);
    }
}

/// The SHA-256 of all of it.
Digest copy_sparsely(const std::string& from, const std::string& to, const std::stop_token& stop) {
    const auto input = open_file(from, O_RDONLY);
    const auto output = open_file(to, O_WRONLY | O_CREAT | O_EXCL, 0600);
    Hasher hasher;
    std::vector<char> piece(kPiece);
    off_t at = 0;
    for (;;) {
        if (stop.stop_requested()) fail(Errc::cancelled, "copying {} was cancelled", from);
        const auto count = ::pread(input.get(), piece.data(), piece.size(), at);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) fail_errno(errno, "cannot read {}", from);
        if (count == 0) break;
        const auto got = static_cast<std::size_t>(count);
        hasher.update(std::string_view(piece.data(), got));
        for (std::size_t block = 0; block < got; block += kBlock) {
            const auto size = std::min(kBlock, got - block);
            if (is_zero(piece.data() + block, size)) continue;
            write_at(output.get(), piece.data() + block, size, at + static_cast<off_t>(block), to);
        }
        at += count;
    }
    if (::ftruncate(output.get(), at) != 0) fail_errno(errno, "cannot size {}", to);
    if (::fsync(output.get()) != 0) fail_errno(errno, "cannot sync {}", to);
    return hasher.finish();
}

}  // namespace

api::ImageInfo describe_registered_blocking(const api::ImageRegisterRequest& request) {
    if (!request.rootfs.starts_with('/')) {
        fail(Errc::invalid_argument, "rootfs: expected an absolute path, not '{}'", request.rootfs);
    }
    if (request.kernel_ref) check_name("kernel", *request.kernel_ref);
    const auto found = inspect_ext4_blocking(request.rootfs, request.rootfs);
    api::ImageInfo info;
    info.name = request.name;
    info.id = "registered-" + sha256(request.rootfs).hex.substr(0, 16);
    info.reference = "file:" + request.rootfs;
    info.arch = "amd64";
    info.rootfs_path = request.rootfs;
    info.size = found.size;
    info.used_bytes = found.used_bytes;
    info.kernel_ref = request.kernel_ref.value_or("");
    info.managed = false;
    info.created_at = now_rfc3339();
    return info;
}

api::ImageInfo copy_registered_blocking(const api::ImageInfo& image, const std::string& staging,
                                        std::stop_token stop) {
    make_directories_blocking(staging);
    const auto digest = copy_sparsely(image.rootfs_path, staging + "/rootfs.ext4", stop);
    const auto found =
        inspect_ext4_blocking(staging + "/rootfs.ext4", "the copy of " + image.rootfs_path);
    auto info = image;
    info.id = digest.hex.substr(0, 16);
    info.digest = digest.to_string();
    info.size = found.size;
    info.used_bytes = found.used_bytes;
    info.managed = true;
    const boost::json::object record{{"name", image.name}, {"digest", info.digest}};
    write_file_atomically(staging + "/manifest.json", boost::json::serialize(record) + "\n");
    sync_path(staging);
    return info;
}

}  // namespace banger::image
