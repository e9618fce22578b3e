#include "daemon/vm/vm_disks.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <random>

#include "pipelines/image/ext4/ext4_writer.hpp"
#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/unique_fd.hpp"

namespace banger::vm {
namespace {

constexpr std::uint64_t kGiB = 1ull << 30;

std::string own_disk(const VmRecord& record, const std::string& directory) {
    return directory + (record.disk_mode == "copy" ? "/root.ext4" : "/disk.ext4");
}

void make_empty_disk(const std::string& path, std::uint64_t size) {
    image::Ext4Options options;
    std::random_device random;
    for (auto& byte : options.uuid)
        byte = static_cast<std::uint8_t>(random());
    for (auto& word : options.hash_seed)
        word = random();
    options.time = ::time(nullptr);
    options.label = "banger";
    image::make_empty_ext4_blocking(path, size, options);
}

/// Copies [offset, end) in the kernel.
void copy_range(int from, int to, off_t offset, off_t end, const std::stop_token& stop) {
    constexpr off_t kPiece = 64 << 20;
    while (offset < end) {
        if (stop.stop_requested()) fail(Errc::cancelled, "copying the disk was cancelled");
        off_t out = offset;
        auto piece = static_cast<std::size_t>(std::min(end - offset, kPiece));
        auto copied = ::copy_file_range(from, &offset, to, &out, piece, 0);
        if (copied < 0) fail_errno(errno, "cannot copy the image's disk");
        if (copied == 0) fail(Errc::internal, "the image's disk ended early");
    }
}

/// Holes stay holes.
void copy_data(int from, int to, off_t size, const std::stop_token& stop) {
    if (::ftruncate(to, size) != 0) fail_errno(errno, "cannot size the disk");
    off_t data = 0;
    while ((data = ::lseek(from, data, SEEK_DATA)) >= 0) {
        off_t hole = ::lseek(from, data, SEEK_HOLE);
        copy_range(from, to, data, hole, stop);
        data = hole;
    }
    if (errno != ENXIO) fail_errno(errno, "cannot read the image's disk");
}

void copy_disk(const std::string& source, const std::string& target, std::uint64_t reserve,
               const std::stop_token& stop) {
    auto from = open_file(source, O_RDONLY);
    auto to = open_file(target, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (::ioctl(to.get(), FICLONE, from.get()) == 0) return;
    struct stat status{};
    if (::fstat(from.get(), &status) != 0) fail_errno(errno, "cannot stat {}", source);
    check_free_space_blocking(target, static_cast<std::uint64_t>(status.st_blocks) * 512, reserve);
    copy_data(from.get(), to.get(), status.st_size, stop);
}

}  // namespace

std::vector<Disk> disks_of(const VmRecord& record, const std::string& directory) {
    if (record.disk_mode == "copy") return {{own_disk(record, directory), false}};
    return {{record.rootfs, true}, {own_disk(record, directory), false}};
}

void make_disk_blocking(const VmRecord& record, const std::string& directory, std::stop_token stop,
                        std::uint64_t reserve) {
    check_free_space_blocking(directory, 0, reserve);
    auto path = own_disk(record, directory);
    if (record.disk_mode == "copy") {
        copy_disk(record.rootfs, path, reserve, stop);
    } else {
        make_empty_disk(path, record.disk_size);
    }
    // A VM that was acknowledged has its disk, whole, after a power loss too.
    sync_path(path);
    sync_path(directory);
}

std::size_t own_disk_place(const VmRecord& record) {
    return record.disk_mode == "copy" ? 0 : 1;
}

void lengthen_disk_blocking(const VmRecord& record, const std::string& directory) {
    auto path = own_disk(record, directory);
    auto disk = open_file(path, O_WRONLY);
    struct stat status{};
    if (::fstat(disk.get(), &status) != 0) fail_errno(errno, "cannot stat {}", path);
    auto size = static_cast<off_t>(record.disk_size);
    if (status.st_size >= size) return;
    if (::ftruncate(disk.get(), size) != 0) fail_errno(errno, "cannot lengthen {}", path);
}

DiskSpace disk_space_blocking(const std::string& path) {
    struct statvfs status{};
    if (::statvfs(path.c_str(), &status) != 0)
        fail_errno(errno, "cannot ask for free space at {}", path);
    return {std::uint64_t{status.f_blocks} * status.f_frsize,
            std::uint64_t{status.f_bavail} * status.f_frsize};
}

std::uint64_t disk_reserve_of(std::uint64_t total) {
    return std::clamp(total / 20, kGiB, 10 * kGiB);
}

void check_free_space_blocking(const std::string& path, std::uint64_t needed,
                               std::uint64_t reserve) {
    const auto space = disk_space_blocking(path);
    if (reserve == 0) reserve = disk_reserve_of(space.total);
    if (space.free >= needed + reserve) return;
    fail(Errc::no_space, "only {} MiB are free at {}, {} MiB are needed: make room there",
         space.free >> 20, path, (needed + reserve) >> 20);
}

}  // namespace banger::vm
