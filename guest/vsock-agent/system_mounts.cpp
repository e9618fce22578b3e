#include "guest/vsock-agent/system_mounts.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "guest/vsock-agent/boot_log.hpp"
#include "guest/vsock-agent/files.hpp"

namespace banger::guest {
namespace {

constexpr unsigned long kNoPrograms = MS_NOSUID | MS_NODEV | MS_NOEXEC;

void mount_at(const char* type, const char* path, unsigned long flags, const char* options) {
    make_directory(path);
    // EBUSY: the kernel has mounted it itself (CONFIG_DEVTMPFS_MOUNT).
    if (::mount(type, path, type, flags, options) == 0 || errno == EBUSY) return;
    kernel_log("banger: cannot mount " + std::string(path) + ": " + std::strerror(errno));
}

void open_console() {
    const int console = ::open("/dev/console", O_RDWR | O_NOCTTY);
    const int fd = console >= 0 ? console : ::open("/dev/null", O_RDWR);
    if (fd < 0) return;
    for (int number = 0; number < 3; ++number) {
        if (fd != number) ::dup2(fd, number);
    }
    if (fd > 2) ::close(fd);
}

}  // namespace

void mount_kernel_file_systems() {
    mount_at("proc", "/proc", kNoPrograms, "");
    mount_at("sysfs", "/sys", kNoPrograms, "");
    mount_at("devtmpfs", "/dev", MS_NOSUID, "mode=0755");
    open_console();
}

void mount_system_file_systems() {
    mount_at("devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=0620,ptmxmode=0666");
    mount_at("tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777");
    mount_at("tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=0755");
    mount_at("cgroup2", "/sys/fs/cgroup", kNoPrograms, "nsdelegate");
    ::symlink("/proc/self/fd", "/dev/fd");
    ::symlink("/proc/self/fd/0", "/dev/stdin");
    ::symlink("/proc/self/fd/1", "/dev/stdout");
    ::symlink("/proc/self/fd/2", "/dev/stderr");
    if (::mkdir("/tmp", 01777) == 0) ::chmod("/tmp", 01777);
}

}  // namespace banger::guest
