#include "guest/vsock-agent/root_mount.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "guest/vsock-agent/boot_log.hpp"
#include "guest/vsock-agent/copy_tree.hpp"
#include "guest/vsock-agent/direct_directories.hpp"
#include "guest/vsock-agent/files.hpp"
#include "guest/vsock-agent/power.hpp"

namespace banger::guest {
namespace {

constexpr std::int64_t kDiskDeadlineMs = 5000;
constexpr useconds_t kLookEveryUs = 1000;
constexpr char kRoot[] = "/newroot";

void wait_for_disk(const char* device, const char* purpose) {
    const std::int64_t deadline = boottime_ms() + kDiskDeadlineMs;
    while (::access(device, F_OK) != 0) {
        if (boottime_ms() >= deadline) {
            give_up(std::string("no disk ") + device + " (" + purpose + ") appeared within " +
                    std::to_string(kDiskDeadlineMs / 1000) +
                    " s; is it attached, and does the kernel have the virtio block driver?");
        }
        ::usleep(kLookEveryUs);
    }
}

void mount_disk(const char* device, const char* where, unsigned long flags, const char* options,
                const char* purpose) {
    wait_for_disk(device, purpose);
    make_directory(where);
    if (::mount(device, where, "ext4", flags, options) == 0) return;
    std::string why = std::string("cannot mount ") + device + " (" + purpose +
                      ") as ext4: " + std::strerror(errno);
    if (!(flags & MS_RDONLY) && ::mount(device, where, "ext4", MS_RDONLY, "noload") == 0) {
        why += "; it can be read, but not written: the kernel's lines before this one say why";
    }
    give_up(why);
}

void mount_overlay() {
    // The root of an overlay shows the upper directory's attributes: at first boot, the image's.
    if (!is_directory("/disk/upper")) {
        make_directory("/disk/upper.new");
        copy_own_attributes("/base", "/disk/upper.new");
        ::rename("/disk/upper.new", "/disk/upper");
    }
    make_directory("/disk/work");
    const std::string layers = "lowerdir=/base,upperdir=/disk/upper,workdir=/disk/work";
    // With redirect_dir an image's directory can be renamed, as on any other file system.
    if (::mount("overlay", kRoot, "overlay", 0, (layers + ",redirect_dir=on").c_str()) == 0) return;
    if (::mount("overlay", kRoot, "overlay", 0, layers.c_str()) == 0) return;
    give_up(std::string("cannot join the image and the VM's disk by overlayfs: ") +
            std::strerror(errno) + "; does the kernel have the overlay file system?");
}

// Images without them (distroless, scratch) get them on the VM's own disk.
void make_mount_points() {
    for (const char* name : {"/proc", "/sys", "/dev", "/run"}) {
        const std::string path = kRoot + std::string(name);
        struct stat status{};
        if (::lstat(path.c_str(), &status) == 0 && !S_ISDIR(status.st_mode)) ::unlink(path.c_str());
        make_directory(path.c_str());
    }
}

// What of the initramfs is not needed any more would occupy memory for ever.
void free_initramfs() {
    remove_tree("/banger");
    ::unlink("/init");
}

void switch_root() {
    make_mount_points();
    for (const char* name : {"/proc", "/sys", "/dev"}) {
        ::mount(name, (kRoot + std::string(name)).c_str(), nullptr, MS_MOVE, nullptr);
    }
    free_initramfs();
    if (::chdir(kRoot) == 0 && ::mount(".", "/", nullptr, MS_MOVE, nullptr) == 0 &&
        ::chroot(".") == 0 && ::chdir("/") == 0) {
        return;
    }
    give_up(std::string("cannot switch to the root file system: ") + std::strerror(errno));
}

}  // namespace

void enter_root(DiskMode mode) {
    make_directory(kRoot);
    if (mode == DiskMode::copy) {
        mount_disk("/dev/vda", kRoot, 0, "", "the VM's root");
        vm_disk_fd = ::open(kRoot, O_PATH | O_CLOEXEC);
        return switch_root();
    }
    // noload: the disk is shared by all VMs of the image, its journal is not to be looked at.
    mount_disk("/dev/vda", "/base", MS_RDONLY, "noload", "the image");
    mount_disk("/dev/vdb", "/disk", 0, "", "the VM's own disk");
    vm_disk_fd = ::open("/disk", O_PATH | O_CLOEXEC);
    mount_overlay();
    DirectDirectories direct("/base", "/disk/direct");
    switch_root();
    direct.mount();
}

}  // namespace banger::guest
