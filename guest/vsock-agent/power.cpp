#include "guest/vsock-agent/power.hpp"

#include <dirent.h>
#include <mntent.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>
#include <vector>

#include "guest/vsock-agent/boot_log.hpp"
#include "guest/vsock-agent/files.hpp"

namespace banger::guest {
namespace {

constexpr useconds_t kLookEveryUs = 20'000;

// Firecracker's convention: no power switch, the VMM ends when the guest resets by the keyboard.
bool reset_ends_the_machine() {
    std::string line;
    read_small_file("/proc/cmdline", line);
    return (" " + line).find(" reboot=k") != std::string::npos;
}

// Kernel threads have no command line; ours begins with '@'.
bool is_other_process(const char* pid) {
    if (std::atoi(pid) <= 1 || std::atoi(pid) == ::getpid()) return false;
    std::string line;
    return read_small_file(("/proc/" + std::string(pid) + "/cmdline").c_str(), line) == 0 &&
           !line.empty() && line.front() != '@';
}

bool others_are_running() {
    DIR* proc = ::opendir("/proc");
    if (proc == nullptr) return false;
    bool found = false;
    while (const dirent* entry = ::readdir(proc)) {
        if (is_other_process(entry->d_name)) found = true;
    }
    ::closedir(proc);
    return found;
}

void end_all_processes(std::int64_t grace_ms) {
    // Interactive shells ignore SIGTERM and heed SIGHUP; stopped processes need SIGCONT for either.
    for (const int signal : {SIGTERM, SIGHUP, SIGCONT})
        ::kill(-1, signal);
    const std::int64_t deadline = boottime_ms() + grace_ms;
    while (others_are_running() && boottime_ms() < deadline)
        ::usleep(kLookEveryUs);
    ::kill(-1, SIGKILL);
    for (int look = 0; others_are_running() && look < 10; ++look)
        ::usleep(kLookEveryUs);
}

std::vector<std::string> mounted_directories() {
    std::vector<std::string> directories;
    FILE* mounts = ::setmntent("/proc/self/mounts", "re");
    if (mounts == nullptr) return directories;
    while (const mntent* entry = ::getmntent(mounts))
        directories.emplace_back(entry->mnt_dir);
    ::endmntent(mounts);
    return directories;
}

void take_file_systems_down() {
    ::sync();
    const auto directories = mounted_directories();
    for (auto it = directories.rbegin(); it != directories.rend(); ++it) {
        if (*it == "/" || *it == "/proc") continue;
        ::umount2(it->c_str(), 0);
    }
    ::mount(nullptr, "/", nullptr, MS_REMOUNT | MS_RDONLY, nullptr);
    if (vm_disk_fd < 0) return;
    const std::string disk = "/proc/self/fd/" + std::to_string(vm_disk_fd);
    ::mount(nullptr, disk.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr);
}

[[noreturn]] void reset(int how) {
    ::sync();
    ::reboot(how);
    for (;;)
        ::pause();
}

}  // namespace

void power_off_now() {
    reset(reset_ends_the_machine() ? RB_AUTOBOOT : RB_POWER_OFF);
}

void shut_down(bool reboot, std::int64_t grace_ms) {
    const bool reset_only = reset_ends_the_machine();
    end_all_processes(grace_ms);
    take_file_systems_down();
    reset(reboot || reset_only ? RB_AUTOBOOT : RB_POWER_OFF);
}

}  // namespace banger::guest
