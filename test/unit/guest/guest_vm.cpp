#include "test/unit/guest/guest_vm.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

extern char** environ;

namespace banger::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

// Load order: each after what it needs.
constexpr const char* kModules[] = {"virtio_ring.ko",  "virtio.ko",         "virtio_mmio.ko",
                                    "virtio_blk.ko",   "virtio_console.ko", "failover.ko",
                                    "net_failover.ko", "virtio_net.ko",     "overlay.ko"};

std::string slurp(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
}

/// A newc cpio archive in memory.
class Cpio {
  public:
    void directory(const std::string& name) { entry(name, 0040755, {}); }
    void file(const std::string& name, unsigned mode, std::string_view data) {
        entry(name, 0100000 | mode, data);
    }
    std::string finish() {
        entry("TRAILER!!!", 0, {});
        return std::move(bytes_);
    }

  private:
    void entry(const std::string& name, unsigned mode, std::string_view data) {
        char header[111];
        std::snprintf(header, sizeof header,
                      "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x", ++inode_,
                      mode, 0U, 0U, 1U, 0U, data.size(), 0U, 0U, 0U, 0U, name.size() + 1, 0U);
        bytes_.append(header).append(name).push_back('\0');
        pad();
        bytes_.append(data);
        pad();
    }
    void pad() { bytes_.append((4 - bytes_.size() % 4) % 4, '\0'); }

    std::string bytes_;
    unsigned inode_ = 0;
};

pid_t spawn(const std::vector<std::string>& command, const char* output) {
    std::vector<char*> argv;
    for (const auto& word : command)
        argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    pid_t pid = -1;
    const int failed = ::posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) throw std::runtime_error("cannot start " + command[0]);
    return pid;
}

void run(const std::vector<std::string>& command) {
    int status = 0;
    if (::waitpid(spawn(command, "/dev/null"), &status, 0) < 0 || status != 0) {
        throw std::runtime_error(command[0] + " failed");
    }
}

// Under TCG the guest cannot measure its clock; a wrong figure would make it run fast or slow.
std::string host_khz() {
    std::ifstream cpu("/proc/cpuinfo");
    for (std::string line; std::getline(cpu, line);) {
        if (line.starts_with("cpu MHz")) {
            return std::to_string(std::lround(std::stod(line.substr(line.find(':') + 1)) * 1000));
        }
    }
    throw std::runtime_error("/proc/cpuinfo has no frequency");
}

std::string make_initramfs(const std::string& settings) {
    Cpio cpio;
    cpio.file("init", 0755, slurp(BANGER_AGENT_BINARY));
    cpio.directory("banger");
    cpio.directory("banger/modules");
    std::string names;
    for (const char* module : kModules) {
        cpio.file(std::string("banger/modules/") + module, 0644,
                  slurp(fs::path(guest_material()) / "modules" / module));
        names += (names.empty() ? "\"" : ",\"") + std::string(module) + "\"";
    }
    cpio.file(
        "banger/settings.json", 0600,
        R"({"hostname":"box","modules":[)" + names +
            R"(],"network":{"address":"10.0.2.15/24","gateway":"10.0.2.2","dns":["10.0.2.3"]})" +
            (settings.empty() ? "" : "," + settings) + "}");
    return cpio.finish();
}

}  // namespace

std::string guest_material() {
    const char* directory = std::getenv("BANGER_GUEST_TEST_DIR");
    return directory == nullptr ? "" : directory;
}

GuestVm::GuestVm(const TempDir& directory, const Options& options) : directory_(directory) {
    std::ofstream(directory / "initramfs", std::ios::binary) << make_initramfs(options.settings);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, (directory / "agent.sock").c_str(), sizeof address.sun_path - 1);
    ::unlink(address.sun_path);
    listener_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener_.get(), 4) != 0) {
        throw std::runtime_error("cannot listen");
    }
    start(options);
}

void GuestVm::start(const Options& options) {
    std::vector<std::string> command{
        "qemu-system-x86_64",
        "-M",
        "microvm,x-option-roms=off",
        "-global",
        "virtio-mmio.force-legacy=false",
        "-accel",
        "tcg",
        "-cpu",
        "max",
        "-smp",
        "1",
        "-m",
        "512",
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
        "-kernel",
        guest_material() + "/vmlinux",
        "-initrd",
        directory_ / "initramfs",
        "-append",
        "console=ttyS0 reboot=t panic=-1 quiet loglevel=4 tsc_early_khz=" + host_khz(),
        "-serial",
        "file:" + directory_ / "serial.log",
        "-chardev",
        "socket,id=agent,server=off,reconnect=1,path=" + directory_ / "agent.sock",
        "-device",
        "virtio-serial-device",
        "-device",
        std::string("virtserialport,chardev=agent,name=") + guest::kPortName,
        "-netdev",
        "user,id=net",
        "-device",
        "virtio-net-device,netdev=net"};
    const auto add_disk = [&](const std::string& file, const std::string& id, bool read_only) {
        if (file.empty()) return;
        command.insert(command.end(), {"-drive",
                                       "if=none,format=raw,id=" + id + ",file=" + file +
                                           (read_only ? ",readonly=on" : ""),
                                       "-device", "virtio-blk-device,drive=" + id});
    };
    add_disk(options.base, "base", !options.base_is_writable);
    add_disk(options.disk, "disk", false);
    pid_ = spawn(command, (directory_ / "qemu.log").c_str());
}

GuestVm::~GuestVm() {
    // For whoever looks into a failure.
    if (const char* keep = std::getenv("BANGER_GUEST_TEST_LOG")) {
        std::ofstream(keep) << serial_log() << slurp(directory_ / "qemu.log");
    }
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

guest::Fd GuestVm::accept(std::chrono::milliseconds deadline) {
    pollfd wait{listener_.get(), POLLIN, 0};
    if (::poll(&wait, 1, static_cast<int>(deadline.count())) != 1) {
        throw std::runtime_error("QEMU did not connect; serial log: " + serial_log());
    }
    return guest::Fd{::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)};
}

bool GuestVm::wait_exit(std::chrono::milliseconds deadline) {
    const auto until = std::chrono::steady_clock::now() + deadline;
    while (std::chrono::steady_clock::now() < until) {
        if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
            pid_ = -1;
            return true;
        }
        std::this_thread::sleep_for(20ms);
    }
    return false;
}

std::string GuestVm::serial_log() const {
    return slurp(directory_ / "serial.log");
}

void make_ext4(const std::string& file, const std::string& tree, int megabytes) {
    std::vector<std::string> command{"/sbin/mkfs.ext4", "-q", "-F", "-b", "4096"};
    if (!tree.empty()) command.insert(command.end(), {"-d", tree});
    command.insert(command.end(), {file, std::to_string(megabytes) + "M"});
    run(command);
}

void make_busybox_tree(const std::string& directory) {
    fs::create_directories(directory + "/bin");
    fs::create_directories(directory + "/etc");
    fs::create_directories(directory + "/root");
    fs::copy_file("/bin/busybox", directory + "/bin/busybox");
    for (const char* name :
         {"sh",        "cat",      "id",   "sleep", "stty", "echo",     "ls",
          "sha256sum", "mount",    "df",   "kill",  "ps",   "ip",       "hostname",
          "dd",        "poweroff", "stat", "true",  "wget", "nslookup", "touch",
          "readlink",  "date",     "mv",   "mkdir"}) {
        fs::create_symlink("busybox", directory + "/bin/" + name);
    }
    std::ofstream(directory + "/etc/passwd")
        << "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/:/bin/sh\n";
    std::ofstream(directory + "/etc/group") << "root:x:0:\nann:x:1000:\nwheel:x:10:ann\n";
    std::ofstream(directory + "/root/from-image") << "seed\n";
    fs::permissions(directory + "/root/from-image", fs::perms(0640));
    fs::create_symlink("from-image", directory + "/root/link");
}

}  // namespace banger::test
