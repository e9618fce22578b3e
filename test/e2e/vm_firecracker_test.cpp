#include <signal.h>

#include <filesystem>

#include "daemon/vm/user_network.hpp"
#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/process_stat.hpp"
#include "test/e2e/vm_host.hpp"
#include "test/support/catch.hpp"

using namespace banger;
using namespace banger::test;

// Firecracker's whole path with real guests: the stand-in test/support/firecracker-double serves
// its API and boots what it is told to by emulation, with a real virtio-vsock.

namespace {

/// False, and said so, where the stand-in cannot work.
bool can_run(VmHost& host) {
    if (host.has_firecracker()) return true;
    WARN(
        "skipped: no vhost-device-vsock (test/support/make-vhost-device-vsock makes it), or no "
        "slirp4netns or pasta");
    return false;
}

api::VmCreateRequest request(std::string name) {
    api::VmCreateRequest wanted;
    wanted.name = std::move(name);
    wanted.backend = "firecracker";
    return wanted;
}

void remove(VmHost& host, const std::string& ref) {
    host.run(host.vms().remove(ref, true, {}));
    CHECK(host.vmms().empty());
}

std::string boot_id_inside(VmHost& host, const std::string& vm) {
    return shell(host, vm, "cat /proc/sys/kernel/random/boot_id").out;
}

/// The process of a VM that was given `word`.
int process_with(const std::string& word) {
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        auto name = entry.path().filename().string();
        if (name.find_first_not_of("0123456789") != name.npos) continue;
        try {
            auto words = read_file(entry.path() / "cmdline");
            if (words.find(word) != words.npos) return std::stoi(name);
        } catch (const Error&) {
            continue;  // it has ended meanwhile
        }
    }
    return 0;
}

}  // namespace

TEST_CASE("a guest under firecracker answers by vsock, stops, and starts again with its files") {
    auto& host = vm_host();
    if (!can_run(host)) return;
    auto vm = host.run(host.vms().create(request("fire"), {}));
    CHECK(vm.backend == "firecracker");
    CHECK(vm.isolation == "emulated");
    CHECK(shell(host, "fire", "ls /dev/vsock; ls /sys/class/virtio-ports 2>/dev/null").out ==
          "/dev/vsock\n");
    CHECK(exec(host, "fire", {"sh", "-c", "cat; exit 7"}, "words").out == "words");
    CHECK(shell(host, "fire", "echo kept > /root/a").exit_code == 0);
    auto stopped = host.run(host.vms().stop("fire", 60, {}));
    CHECK(stopped.state == "stopped");
    CHECK_FALSE(stopped.error);
    CHECK(host.vmms().empty());
    auto started = host.run(host.vms().start("fire", {}));
    CHECK(started.boot_id != vm.boot_id);
    CHECK(shell(host, "fire", "cat /root/a").out == "kept\n");
    remove(host, "fire");
}

TEST_CASE("a vm under firecracker lives through a restart of the daemon with the same boot id") {
    auto& host = vm_host();
    if (!can_run(host)) return;
    auto vm = host.run(host.vms().create(request("ember"), {}));
    host.restart();
    auto again = host.run(host.vms().show("ember"));
    CHECK(again.state == "running");
    CHECK(again.pid == vm.pid);
    CHECK(boot_id_inside(host, "ember") == *vm.boot_id + "\n");
    CHECK(host.run(host.vms().stop("ember", 60, {})).state == "stopped");
    remove(host, "ember");
}

// A daemon that starts again meanwhile is tried with QEMU alone (vm_verbs_test): vhost-device-vsock
// forgets to tell a guest that stood still of connections that went.
TEST_CASE("a vm under firecracker pauses, and goes on") {
    auto& host = vm_host();
    if (!can_run(host)) return;
    auto vm = host.run(host.vms().create(request("flint"), {}));
    shell(host, "flint", "(while :; do :; done) >/dev/null 2>&1 &");
    auto guest = process_with(host.paths().vm_runtime(vm.id) + "/d-qmp.sock");
    REQUIRE(guest != 0);
    auto ticks = [&] { return read_process_stat(guest).value().cpu_ticks; };
    CHECK(host.run(host.vms().pause("flint")).state == "paused");
    auto before = ticks();
    host.run(sleep_for(std::chrono::seconds(1)));
    // A processor that loops would have used 100.
    CHECK(ticks() - before < 30);
    CHECK(host.run(host.vms().resume("flint")).state == "running");
    CHECK(boot_id_inside(host, "flint") == *vm.boot_id + "\n");
    remove(host, "flint");
}

TEST_CASE("a disk under firecracker grows while its vm runs") {
    auto& host = vm_host();
    if (!can_run(host)) return;
    auto wanted = request("kiln");
    wanted.disk_mode = GENERATE("overlay", "copy");
    const auto vm = host.run(host.vms().create(wanted, {}));
    const auto mib_inside = [&] {
        return std::stoull(
            shell(host, "kiln", "df -P -m /root | tail -n 1 | awk '{print $2}'").out);
    };
    CHECK(mib_inside() < 1100);
    const auto grown =
        host.run(host.vms().change("kiln", {.disk_size = vm.disk_size + (8ull << 30)}));
    CHECK(grown.disk_size == vm.disk_size + (8ull << 30));
    CHECK(mib_inside() > 8000);
    remove(host, "kiln");
}

TEST_CASE("a firecracker that was started and never written down is found and ended") {
    auto& host = vm_host();
    if (!can_run(host)) return;
    host.run(host.vms().create(request("spark"), {}));
    host.rewrite_record("spark", [](boost::json::object& record) {
        record["provisional"] = true;
        record["state"] = "starting";
        record.erase("pid");
    });
    host.restart();
    CHECK_THROWS_AS(host.run(host.vms().show("spark")), Error);
    CHECK(host.vmms().empty());
}

TEST_CASE("a firecracker that is killed takes its network with it and leaves an error") {
    auto& host = vm_host();
    if (!can_run(host)) return;
    auto vm = host.run(host.vms().create(request("ash"), {}));
    auto keeper = process_with(vm::life_path(host.paths().vm_runtime(vm.id)));
    CHECK(keeper != 0);
    CHECK(keeper != *vm.pid);
    ::kill(*vm.pid, SIGKILL);
    for (int i = 0; i < 600 && host.run(host.vms().show("ash")).state == "running"; ++i)
        host.run(sleep_for(std::chrono::milliseconds(100)));
    auto info = host.run(host.vms().show("ash"));
    CHECK_THAT(info.error.value_or(""), ContainsSubstring("killed by signal 9"));
    CHECK(host.vmms().empty());
    remove(host, "ash");
}

TEST_CASE("what firecracker refuses is said in its own words, and nothing is left") {
    auto& host = vm_host();
    if (!can_run(host)) return;
    auto wanted = request("cinder");
    wanted.start = false;
    auto vm = host.run(host.vms().create(wanted, {}));
    auto disk = host.paths().vms() + "/" + vm.id + "/disk.ext4";
    std::filesystem::remove(disk);
    CHECK_THROWS_WITH(host.run(host.vms().start("cinder", {})),
                      ContainsSubstring("firecracker refuses PUT /drives/disk1: Unable to open"));
    CHECK(host.vmms().empty());
    CHECK(host.run(host.vms().show("cinder")).state == "error");
    remove(host, "cinder");
}

TEST_CASE("the guest of a firecracker reaches a name server") {
    auto& host = vm_host();
    if (!can_run(host)) return;
    host.run(host.vms().create(request("coal"), {}));
    auto look = shell(host, "coal", "ip -4 addr show eth0; ip route; cat /etc/resolv.conf");
    CHECK_THAT(look.out, ContainsSubstring("10.0.2.15/24"));
    CHECK_THAT(look.out, ContainsSubstring("default via 10.0.2.2"));
    CHECK_THAT(look.out, ContainsSubstring("nameserver 10.0.2.3"));
    // The gateway answers for itself: frames pass the bridge both ways.
    CHECK(shell(host, "coal", "arping -c 1 -w 10 -I eth0 10.0.2.2").exit_code == 0);
    remove(host, "coal");
}
