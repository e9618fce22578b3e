#include "daemon/vm/vmm_cgroup.hpp"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <mutex>
#include <sstream>
#include <thread>

#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/unique_fd.hpp"

namespace banger::vm {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMiB = 1 << 20;
// Not measured where KVM works; generous, so that the kernel ends a guest that leaks, not one that
// works.
constexpr std::uint64_t kHardwareOverhead = 256 * kMiB;
// An emulator's translated code takes up to 1 GiB (QEMU's tb-size).
constexpr std::uint64_t kEmulationOverhead = 1536 * kMiB;
// QEMU's pool of threads for disks has up to 64.
constexpr std::uint32_t kThreads = 128;
constexpr std::uint64_t kPeriod = 100'000;  // microseconds, cpu.max's default
constexpr const char* kControllers[] = {"memory", "pids", "cpu", "io"};
constexpr rlim_t kDescriptors = 2048;
constexpr int kRemoveTries = 50;
constexpr std::chrono::milliseconds kRemoveAgain{10};

std::string read_or_empty(const std::string& path) {
    try {
        return read_file(path);
    } catch (const Error&) {
        return {};
    }
}

/// 0, or the errno: a file below /sys/fs/cgroup takes its value by one write.
int write_value(const std::string& path, const std::string& value) {
    UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file) return errno;
    const auto size = static_cast<ssize_t>(value.size());
    return ::write(file.get(), value.data(), value.size()) == size ? 0 : errno;
}

/// Where cgroup v2 is mounted (proc_pid_mountinfo(5)): /sys/fs/cgroup, or below it beside v1.
std::string find_mount() {
    std::istringstream lines(read_or_empty("/proc/self/mountinfo"));
    for (std::string line; std::getline(lines, line);) {
        if (line.find(" - cgroup2 ") == std::string::npos) continue;
        std::istringstream words(line);
        std::string word;
        for (int i = 0; i < 5; ++i)
            words >> word;
        return word;
    }
    return {};
}

/// Our group in the v2 hierarchy: "0::/user.slice/…".
std::string own_group() {
    std::istringstream lines(read_or_empty("/proc/self/cgroup"));
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("0::")) return line.substr(3);
    }
    return {};
}

/// One word for each daemon, the same each time.
std::string name_of(const std::string& owner) {
    std::uint32_t hash = 2166136261;
    for (const char byte : owner)
        hash = (hash ^ static_cast<unsigned char>(byte)) * 16777619;
    return fmt::format("banger-{:08x}", hash);
}

/// The group below which ours may stand; what is wrong otherwise.
std::string find_parent(const std::string& mount, std::string& lack) {
    auto group = own_group();
    constexpr std::string_view kDaemon = "/banger-daemon";
    // Where an earlier call has moved us, or systemd has put us (DelegateSubgroup=).
    for (const auto& leaf : {kDaemon, std::string_view("/bangerd")}) {
        if (group.ends_with(leaf)) return mount + group.substr(0, group.size() - leaf.size());
    }
    if (group == "/") return mount;
    auto directory = mount + group;
    if (::access((directory + "/cgroup.subtree_control").c_str(), W_OK) != 0) {
        lack =
            "the daemon's cgroup is not delegated to it: VMs have no limits of their own; "
            "bangerd.service (make install) has Delegate=yes";
        return {};
    }
    std::istringstream members(read_or_empty(directory + "/cgroup.procs"));
    int pid = 0;
    if (!(members >> pid) || pid != ::getpid() || members >> pid) {
        lack = "the daemon shares its cgroup with others: VMs have no limits of their own";
        return {};
    }
    const auto leaf = directory + std::string(kDaemon);
    std::error_code ignored;
    fs::create_directory(leaf, ignored);
    if (const int error = write_value(leaf + "/cgroup.procs", std::to_string(::getpid()))) {
        lack = fmt::format("cannot move to {}: {}", leaf, errno_text(error));
        return {};
    }
    return directory;
}

std::set<std::string> words_in(const std::string& path) {
    std::istringstream words(read_or_empty(path));
    std::set<std::string> all;
    for (std::string word; words >> word;)
        all.insert(word);
    return all;
}

/// Each controller by itself: one that is refused does not take the others along.
void enable_controllers(const std::string& directory, const std::set<std::string>& names) {
    for (const auto& name : names)
        write_value(directory + "/cgroup.subtree_control", "+" + name);
}

/// "8:0 rbps=1048576 wiops=100"; what is not named has no limit (cgroup-v2.rst, "io.max").
std::string io_line(const LimitsConfig& config, const std::string& disk) {
    auto line = disk;
    const auto add = [&](const char* key, std::uint64_t value) {
        if (value != 0) line += fmt::format(" {}={}", key, value);
    };
    add("rbps", config.read_bytes);
    add("wbps", config.write_bytes);
    add("riops", config.read_operations);
    add("wiops", config.write_operations);
    return line;
}

/// One VM's group is made and the other's removed by threads of the pool.
std::mutex& directory_mutex() {
    static std::mutex mutex;
    return mutex;
}

}  // namespace

bool limits_io(const LimitsConfig& config) {
    return config.read_bytes != 0 || config.write_bytes != 0 || config.read_operations != 0 ||
           config.write_operations != 0;
}

VmmLimits limits_of(const VmRecord& record, const LimitsConfig& config,
                    const std::optional<std::string>& disk) {
    const bool hardware = record.isolation == "hardware";
    const auto or_else = [](auto wanted, auto usual) { return wanted != 0 ? wanted : usual; };
    return {std::uint64_t{record.memory_mib} * kMiB +
                or_else(config.memory_overhead, hardware ? kHardwareOverhead : kEmulationOverhead),
            or_else(config.threads, kThreads + record.vcpu), or_else(config.cpus, record.vcpu + 1),
            disk && limits_io(config) ? io_line(config, *disk) : ""};
}

VmmCgroups VmmCgroups::find_blocking(const std::string& owner, bool io) {
    VmmCgroups groups;
    const auto mount = find_mount();
    if (mount.empty()) {
        groups.lack_ = "the host has no cgroup v2: VMs have no limits of their own";
        return groups;
    }
    const auto parent = find_parent(mount, groups.lack_);
    if (parent.empty()) return groups;
    groups.directory_ = parent + "/" + name_of(owner);
    const auto present = words_in(parent + "/cgroup.controllers");
    for (const std::string name : kControllers) {
        if (name == "io" && !io) continue;
        if (present.contains(name)) {
            groups.controllers_.insert(name);
            continue;
        }
        groups.lack_ += (groups.lack_.empty() ? "no cgroup v2 controller for " : ", ");
        groups.lack_ += name;
    }
    return groups;
}

bool VmmCgroups::place_blocking(const std::string& id, int pid, const VmmLimits& limits) const {
    if (!available()) return false;
    const std::lock_guard lock(directory_mutex());
    const auto group = path_of(id);
    std::error_code ignored;
    fs::create_directories(group, ignored);
    enable_controllers(fs::path(directory_).parent_path(), controllers_);
    enable_controllers(directory_, controllers_);
    const auto set = [&](const char* controller, const char* file, const std::string& value) {
        if (!controllers_.contains(controller)) return;
        if (const int failed = write_value(group + "/" + file, value)) {
            spdlog::warn("cannot set {} of {}: {}", file, group, errno_text(failed));
        }
    };
    set("memory", "memory.max", std::to_string(limits.memory_bytes));
    set("pids", "pids.max", std::to_string(limits.pids));
    set("cpu", "cpu.max", fmt::format("{} {}", limits.cpus * kPeriod, kPeriod));
    if (!limits.io.empty()) set("io", "io.max", limits.io);
    const int failed = write_value(group + "/cgroup.procs", std::to_string(pid));
    if (failed == 0) return true;
    spdlog::warn("the vmm of vm {} has no limits: {}: {}", id, group, errno_text(failed));
    return false;
}

void VmmCgroups::remove_blocking(const std::string& id) const {
    if (!available()) return;
    const std::lock_guard lock(directory_mutex());
    // A process that has ended counts for some milliseconds more.
    int tries = 0;
    while (::rmdir(path_of(id).c_str()) != 0 && errno == EBUSY && ++tries < kRemoveTries)
        std::this_thread::sleep_for(kRemoveAgain);
    if (tries == kRemoveTries) {
        spdlog::warn("cannot remove {}: a process is in it", path_of(id));
    }
    // With the last VM goes what held them all.
    ::rmdir(directory_.c_str());
}

void VmmCgroups::sweep_blocking(const std::set<std::string>& ids) const {
    if (!available()) return;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(directory_, ignored)) {
        if (entry.is_directory(ignored) && !ids.contains(entry.path().filename()))
            ::rmdir(entry.path().c_str());
    }
    ::rmdir(directory_.c_str());
}

void limit_descriptors(int pid) {
    const rlimit limit{kDescriptors, kDescriptors};
    ::prlimit(pid, RLIMIT_NOFILE, &limit, nullptr);
}

}  // namespace banger::vm
