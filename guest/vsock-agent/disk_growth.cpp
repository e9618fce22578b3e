#include "guest/vsock-agent/disk_growth.hpp"

#include <fcntl.h>
#include <linux/types.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include "guest/vsock-agent/fd.hpp"
#include "guest/vsock-agent/files.hpp"
#include "guest/vsock-agent/power.hpp"

namespace banger::guest {
namespace {

// linux/fs/ext4/ext4.h; no header of the kernel's interface has it.
constexpr unsigned long kResizeFs = _IOW('f', 16, __u64);
constexpr std::uint64_t kSector = 512;

/// 0 when it cannot be told.
std::uint64_t device_bytes(dev_t device) {
    std::string text;
    const std::string path = "/sys/dev/block/" + std::to_string(major(device)) + ":" +
                             std::to_string(minor(device)) + "/size";
    if (read_small_file(path.c_str(), text) != 0) return 0;
    return std::strtoull(text.c_str(), nullptr, 10) * kSector;
}

}  // namespace

int grow_vm_disk() {
    if (vm_disk_fd < 0) return ENODEV;
    // The descriptor only names the hidden mount; the request needs an open directory of it.
    const std::string name = "/proc/self/fd/" + std::to_string(vm_disk_fd);
    const Fd directory(::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct stat status{};
    struct statfs file_system{};
    if (!directory || ::fstat(directory.get(), &status) != 0 ||
        ::fstatfs(directory.get(), &file_system) != 0) {
        return errno;
    }
    const std::uint64_t bytes = device_bytes(status.st_dev);
    if (bytes == 0) return ENODEV;
    __u64 blocks = bytes / static_cast<std::uint64_t>(file_system.f_bsize);
    return ::ioctl(directory.get(), kResizeFs, &blocks) == 0 ? 0 : errno;
}

}  // namespace banger::guest
