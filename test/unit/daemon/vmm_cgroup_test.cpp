#include "daemon/vm/vmm_cgroup.hpp"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

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
    const auto hardware = vm::limits_of(record);
    CHECK(hardware.memory_bytes == 1280ull << 20);
    CHECK(hardware.cpus == 3);
    record.isolation = "emulated";
    CHECK(vm::limits_of(record).memory_bytes > hardware.memory_bytes);
}

TEST_CASE("a VMM's cgroup is named by its VM, swept when it is nobody's, and leaves nothing") {
    test::TempDir state;
    const auto groups = VmmCgroups::find_blocking(state.path());
    if (!groups.available()) {
        WARN("skipped: " << groups.lack());
        return;
    }
    Sleeper vmm;
    if (!groups.place_blocking("0123456789ab", vmm.pid, {256 << 20, 64, 2})) {
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
