#include "daemon/process_setup.hpp"

#include <fcntl.h>
#include <malloc.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <thread>

#include "daemon/api/listener.hpp"
#include "daemon/image/directories.hpp"
#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/error.hpp"

namespace banger {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr rlim_t kDescriptors = 65'536;
constexpr auto kLockWait = 10s;
// Without limits each thread of the pools has an arena of its own in the end, which keeps as much
// as the largest thing it ever held.
constexpr int kArenas = 4;
constexpr int kLargeBuffer = 1 << 20;  ///< bytes; from there on freed memory goes back at once

void make_closed_directory(const std::string& path) {
    make_directories_blocking(path);
    if (::chmod(path.c_str(), 0700) != 0) fail_errno(errno, "cannot close {} to others", path);
}

/// A program that is built and installed with this one.
std::string find_companion(const std::string& name) {
    std::error_code error;
    const auto own = fs::read_symlink("/proc/self/exe", error).parent_path();
    const auto beside = own / name;
    const auto installed = own / "../libexec/banger" / name;
    if (!fs::exists(beside, error) && fs::exists(installed, error)) {
        return installed.lexically_normal();
    }
    return beside;
}

}  // namespace

void prepare_process() {
    ::umask(077);
    ::mallopt(M_ARENA_MAX, kArenas);
    ::mallopt(M_MMAP_THRESHOLD, kLargeBuffer);
    std::signal(SIGPIPE, SIG_IGN);
    // A write beyond RLIMIT_FSIZE is an error of that write, not our end.
    std::signal(SIGXFSZ, SIG_IGN);
    // Inherited as ignored, it would take the exit status of every child away.
    std::signal(SIGCHLD, SIG_DFL);
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = std::max(limit.rlim_cur, std::min(limit.rlim_max, kDescriptors));
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

void make_daemon_directories(const Paths& paths) {
    for (const auto& path :
         {paths.state, paths.images(), paths.kernels(), paths.vms(), paths.cache}) {
        make_closed_directory(path);
    }
    api::make_private_directory(paths.runtime);
}

UniqueFd lock_directory(const std::string& directory) {
    const auto path = directory + "/bangerd.lock";
    auto fd = open_file(path, O_RDWR | O_CREAT, 0600);
    const auto deadline = std::chrono::steady_clock::now() + kLockWait;
    while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) fail_errno(errno, "cannot lock {}", path);
        if (std::chrono::steady_clock::now() > deadline) {
            fail(Errc::conflict, "another bangerd (pid {}) uses {}", read_file(path, 64),
                 directory);
        }
        std::this_thread::sleep_for(50ms);
    }
    const auto pid = std::to_string(::getpid());
    if (::ftruncate(fd.get(), 0) != 0 || ::pwrite(fd.get(), pid.data(), pid.size(), 0) < 0) {
        fail_errno(errno, "cannot write {}", path);
    }
    return fd;
}

std::string find_agent(const std::string& configured) {
    return configured.empty() ? find_companion("banger-vsock-agent") : configured;
}

std::string find_launcher() {
    return find_companion("banger-vmm-launcher");
}

}  // namespace banger
