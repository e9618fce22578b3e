#include "daemon/vm/vmm_cgroup.hpp"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "daemon/vm/disk_device.hpp"
#include "pipelines/io/atomic_file.hpp"
#include "test/support/catch.hpp"
#include "test/support/temp_dir.hpp"

using namespace banger;
using vm::VmmCgroups;

namespace {

/// A process that does nothing until the end of the test.
struct Sleeper {
    Sleeper() : pid(::fork()) {
        if (pid != 0) return;
        for (;;)
            ::pause();
    }
    ~Sleeper() { end(); }
    void end() {
        if (pid <= 0) return;
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
        pid = 0;
    }
    std::string group() const { return read_file("/proc/" + std::to_string(pid) + "/cgroup"); }
    pid_t pid;
};

}  // namespace

TEST_CASE("a VMM may take its guest's memory and what it needs itself") {
    vm::VmRecord record;
    record.memory_mib = 1024;
    record.vcpu = 2;
    record.isolation = "hardware";
    const auto hardware = vm::limits_of(record, {}, "8:0");
    CHECK(hardware.memory_bytes == 1280ull << 20);
    CHECK(hardware.cpus == 3);
    CHECK(hardware.pids == 130);
    CHECK(hardware.io.empty());
    record.isolation = "emulated";
    CHECK(vm::limits_of(record, {}, "8:0").memory_bytes > hardware.memory_bytes);
}

TEST_CASE("a VMM may take what the configuration says") {
    vm::VmRecord record;
    record.memory_mib = 1024;
    record.vcpu = 2;
    LimitsConfig config{.memory_overhead = 64 << 20, .threads = 90, .cpus = 1};
    CHECK_FALSE(vm::limits_io(config));
    config.read_bytes = 1 << 20;
    config.write_operations = 100;
    CHECK(vm::limits_io(config));
    const auto limits = vm::limits_of(record, config, "8:0");
    CHECK(limits.memory_bytes == 1088ull << 20);
    CHECK(limits.pids == 90);
    CHECK(limits.cpus == 1);
    CHECK(limits.io == "8:0 rbps=1048576 wiops=100");
    CHECK(vm::limits_of(record, config, std::nullopt).io.empty());
}

TEST_CASE("each limit is written into its file, those that the host can set") {
    test::TempDir root;
    const auto group = root / "banger/0123456789ab";
    std::filesystem::create_directories(group);
    const std::vector<std::string> files{"memory.max", "pids.max", "cpu.max", "io.max",
                                         "cgroup.procs"};
    for (const auto& file : files)
        write_file_atomically(group + "/" + file, "");
    const auto written = [&](const std::string& file) { return read_file(group + "/" + file); };
    const vm::VmmLimits limits{256 << 20, 64, 2, "8:0 wbps=1048576"};

    const VmmCgroups all(root / "banger", {"memory", "pids", "cpu", "io"});
    CHECK(all.place_blocking("0123456789ab", 4711, limits));
    CHECK(written("memory.max") == "268435456");
    CHECK(written("pids.max") == "64");
    CHECK(written("cpu.max") == "200000 100000");
    CHECK(written("io.max") == "8:0 wbps=1048576");
    CHECK(written("cgroup.procs") == "4711");

    for (const auto& file : files)
        write_file_atomically(group + "/" + file, "");
    const VmmCgroups few(root / "banger", {"pids"});
    CHECK(few.place_blocking("0123456789ab", 4711, limits));
    CHECK(written("pids.max") == "64");
    CHECK((written("memory.max") + written("cpu.max") + written("io.max")).empty());
    CHECK(written("cgroup.procs") == "4711");
}

TEST_CASE("what the host can limit is enabled for the group above, by name") {
    test::TempDir root;
    std::filesystem::create_directories(root / "banger/0123456789ab");
    write_file_atomically(root / "cgroup.subtree_control", "");
    const VmmCgroups groups(root / "banger", {"io"});
    CHECK_FALSE(groups.place_blocking("0123456789ab", 4711, {}));
    CHECK(read_file(root / "cgroup.subtree_control") == "+io");
}

TEST_CASE("a limit of a partition is one of its whole disk") {
    test::TempDir sys;
    const auto disk = sys / "devices/pci/sda";
    std::filesystem::create_directories(disk + "/sda1");
    std::filesystem::create_directories(sys / "dev/block");
    write_file_atomically(disk + "/dev", "8:0\n");
    write_file_atomically(disk + "/sda1/dev", "8:1\n");
    write_file_atomically(disk + "/sda1/partition", "1\n");
    std::filesystem::create_symlink("../../devices/pci/sda", sys / "dev/block/8:0");
    std::filesystem::create_symlink("../../devices/pci/sda/sda1", sys / "dev/block/8:1");
    const auto root = sys.path().string();
    CHECK(vm::whole_disk_blocking("8:0", root) == "8:0");
    CHECK(vm::whole_disk_blocking("8:1", root) == "8:0");
    CHECK_FALSE(vm::whole_disk_blocking("0:47", root));
    CHECK_FALSE(vm::find_disk_blocking("/proc/self"));
}

TEST_CASE("a VMM's cgroup is named by its VM, swept when it is nobody's, and leaves nothing") {
    test::TempDir state;
    const auto groups = VmmCgroups::find_blocking(state.path());
    if (!groups.available()) {
        WARN("skipped: " << groups.lack());
        return;
    }
    Sleeper vmm;
    if (!groups.place_blocking("0123456789ab", vmm.pid, {256 << 20, 64, 2, ""})) {
        WARN("skipped: this process may not move another one");
        return;
    }
    CHECK(vmm.group().find("/0123456789ab\n") != std::string::npos);
    const auto path = groups.path_of("0123456789ab");
    const auto memory = path + "/memory.max";
    if (std::filesystem::exists(memory)) CHECK(read_file(memory) == "268435456\n");

    // Another daemon finds the same one, and does not take a living VMM's away.
    VmmCgroups::find_blocking(state.path()).sweep_blocking({});
    CHECK(std::filesystem::exists(path));
    vmm.end();
    groups.remove_blocking("0123456789ab");
    groups.remove_blocking("0123456789ab");
    CHECK_FALSE(std::filesystem::exists(path));
    CHECK_FALSE(std::filesystem::exists(std::filesystem::path(path).parent_path()));
}

TEST_CASE("a VMM has a bound of descriptors") {
    Sleeper vmm;
    vm::limit_descriptors(vmm.pid);
    rlimit limit{};
    REQUIRE(::prlimit(vmm.pid, RLIMIT_NOFILE, nullptr, &limit) == 0);
    CHECK(limit.rlim_max == 2048);
}
