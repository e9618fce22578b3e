#include <signal.h>

#include <filesystem>

#include "pipelines/io/digest.hpp"
#include "pipelines/io/error.hpp"
#include "test/e2e/vm_host.hpp"
#include "test/support/catch.hpp"

using namespace banger;
using namespace banger::test;

namespace {

/// Nothing of that VM is left on the host.
void check_gone(VmHost& host, const std::string& id) {
    CHECK_FALSE(std::filesystem::exists(host.paths().vms() + "/" + id));
    CHECK_FALSE(std::filesystem::exists(host.paths().vm_runtime(id)));
    CHECK_THROWS_AS(host.run(host.vms().show(id)), Error);
}

void remove(VmHost& host, const std::string& ref) {
    host.run(host.vms().remove(ref, true, {}));
}

template <class Condition>
void wait_until(VmHost& host, Condition condition) {
    for (int i = 0; i < 300 && !condition(); ++i) {
        host.run(sleep_for(std::chrono::milliseconds(100)));
    }
    REQUIRE(condition());
}

std::string state_of(VmHost& host, const std::string& ref) {
    return host.run(host.vms().show(ref)).state;
}

}  // namespace

TEST_CASE("files in /root and /etc outlive a stop, and the image stays as it was") {
    auto& host = vm_host();
    auto rootfs = host.rootfs_of("busybox");
    auto before = sha256_file_blocking(rootfs);
    auto vm = host.boot("keeper");
    CHECK(shell(host, "keeper", "echo one > /root/a; echo two > /etc/b; rm /bin/yes").exit_code ==
          0);
    auto stopped = host.run(host.vms().stop("keeper", 30, {}));
    CHECK(stopped.state == "stopped");
    CHECK_FALSE(stopped.pid);
    CHECK(host.vmms().empty());
    CHECK(sha256_file_blocking(rootfs) == before);
    auto started = host.run(host.vms().start("keeper", {}));
    CHECK(started.state == "running");
    CHECK(started.boot_id != vm.boot_id);
    CHECK(shell(host, "keeper", "cat /root/a /etc/b; ls /bin/yes").out == "one\ntwo\n");
    remove(host, "keeper");
    check_gone(host, vm.id);
    CHECK(sha256_file_blocking(rootfs) == before);
}

TEST_CASE("two vms run at once and know nothing of each other") {
    auto& host = vm_host();
    auto request = [](std::string name) {
        api::VmCreateRequest wanted;
        wanted.name = std::move(name);
        return wanted;
    };
    auto [one, two] = host.run(when_all(host.vms().create(request("twin-a"), {}),
                                        host.vms().create(request("twin-b"), {})));
    CHECK(one.boot_id != two.boot_id);
    shell(host, "twin-a", "echo a > /root/who");
    CHECK(shell(host, "twin-b", "cat /root/who").exit_code == 1);
    CHECK(shell(host, "twin-a", "hostname").out == "twin-a\n");
    CHECK(shell(host, "twin-b", "hostname").out == "twin-b\n");
    CHECK(host.vmms().size() == 2);
    SECTION("a name that is taken is refused, and nothing is touched") {
        CHECK_THROWS_WITH(host.run(host.vms().create(request("twin-a"), {})),
                          "a vm named 'twin-a' exists already");
        CHECK(host.vmms().size() == 2);
    }
    SECTION("a vm that runs is not deleted without force") {
        CHECK_THROWS_WITH(host.run(host.vms().remove("twin-a", false, {})),
                          "vm 'twin-a' is running; stop it first, or use --force");
    }
    remove(host, "twin-a");
    remove(host, two.id.substr(0, 6));
    CHECK(host.vmms().empty());
}

TEST_CASE("a vm lives through a restart of the daemon with the same boot id") {
    auto& host = vm_host();
    auto vm = host.boot("survivor");
    shell(host, "survivor", "echo kept > /tmp/x");
    host.restart();
    auto again = host.run(host.vms().show("survivor"));
    CHECK(again.state == "running");
    CHECK(again.pid == vm.pid);
    CHECK(shell(host, "survivor", "cat /tmp/x; cat /proc/sys/kernel/random/boot_id").out ==
          "kept\n" + *vm.boot_id + "\n");
    CHECK(host.run(host.vms().stop("survivor", 30, {})).state == "stopped");
    remove(host, "survivor");
}

TEST_CASE("a vmm that is killed leaves an error, and the vm starts again") {
    auto& host = vm_host();
    auto vm = host.boot("victim");
    ::kill(*vm.pid, SIGKILL);
    wait_until(host, [&] { return state_of(host, "victim") == "error"; });
    auto info = host.run(host.vms().show("victim"));
    CHECK_THAT(info.error.value_or(""), ContainsSubstring("killed by signal 9"));
    CHECK_FALSE(std::filesystem::exists(host.paths().vm_runtime(vm.id)));
    CHECK(host.run(host.vms().start("victim", {})).state == "running");
    remove(host, "victim");
}

TEST_CASE("a guest that powers itself off is stopped, not broken") {
    auto& host = vm_host();
    host.boot("sleeper");
    auto session = host.run(host.vms().exec("sleeper", {.command = {"poweroff", "-f"}}));
    wait_until(host, [&] { return state_of(host, "sleeper") != "running"; });
    CHECK(state_of(host, "sleeper") == "stopped");
    CHECK_THROWS_AS(host.run(session->next()), Error);
    CHECK_THROWS_WITH(host.run(host.vms().exec("sleeper", {.command = {"true"}})),
                      "vm 'sleeper' is stopped, not running");
    remove(host, "sleeper");
}

TEST_CASE("a guest that reboots is stopped, and says why") {
    auto& host = vm_host();
    host.boot("sleeper");
    auto session = host.run(host.vms().exec("sleeper", {.command = {"reboot", "-f"}}));
    wait_until(host, [&] { return state_of(host, "sleeper") != "running"; });
    CHECK(host.run(host.vms().show("sleeper")).end_reason ==
          "the guest rebooted, which ends its vm");
    remove(host, "sleeper");
}

TEST_CASE("a process in a guest has the time to end that the stop was given") {
    auto& host = vm_host();
    host.boot("slow");
    // It needs four seconds, where two are what nobody has to ask for.
    const auto started = shell(host, "slow",
                               "(trap '' HUP; trap 'sleep 4; echo done > /root/done; exit' TERM; "
                               "while :; do sleep 1; done) </dev/null >/dev/null 2>&1 &");
    CHECK(started.exit_code == 0);
    CHECK(host.run(host.vms().stop("slow", 60, {})).end_reason == "stopped as asked for");
    host.run(host.vms().start("slow", {}));
    CHECK(shell(host, "slow", "cat /root/done").out == "done\n");
    remove(host, "slow");
}

TEST_CASE("a daemon that ended while a vm was made takes it back at its next start") {
    auto& host = vm_host();
    auto vm = host.boot("half-made");
    host.rewrite_record("half-made", [](boost::json::object& record) {
        // As a crash between the VMM's start and the note of its process leaves it.
        record["provisional"] = true;
        record["state"] = "starting";
        record.erase("pid");
    });
    CHECK(host.vmms().size() == 1);
    host.restart();
    check_gone(host, vm.id);
    CHECK(host.vmms().empty());
}

TEST_CASE("a stop that the daemon did not finish is finished by the next one") {
    auto& host = vm_host();
    host.boot("ending");
    host.rewrite_record("ending", [](boost::json::object& r) { r["state"] = "stopping"; });
    host.restart();
    wait_until(host, [&] { return state_of(host, "ending") == "stopped"; });
    CHECK(host.vmms().empty());
    remove(host, "ending");
}

TEST_CASE("a copy of the image serves as disk where that is asked for") {
    auto& host = vm_host();
    api::VmCreateRequest request;
    request.name = "copy";
    request.disk_mode = "copy";
    host.run(host.vms().create(request, {}));
    CHECK(shell(host, "copy", "echo x > /etc/x && mount | grep ' / '").out.find("overlay") ==
          std::string::npos);
    host.run(host.vms().stop("copy", 30, {}));
    host.run(host.vms().start("copy", {}));
    CHECK(shell(host, "copy", "cat /etc/x").out == "x\n");
    remove(host, "copy");
}

TEST_CASE("a guest that floods its console fills no disk") {
    auto& host = vm_host();
    auto vm = host.boot("flood");
    shell(host, "flood", "timeout 10 cat /dev/zero | tr '\\0' x | fold > /dev/console");
    auto log = host.paths().vms() + "/" + vm.id + "/serial.log";
    host.run(sleep_for(std::chrono::seconds(3)));
    CHECK(host.blocks_of(log) < (6u << 20));
    CHECK(shell(host, "flood", "echo alive").out == "alive\n");
    remove(host, "flood");
}
