#include "pipelines/io/error.hpp"
#include "pipelines/io/process_stat.hpp"
#include "test/e2e/vm_host.hpp"
#include "test/support/catch.hpp"

using namespace banger;
using namespace banger::test;

namespace {

void remove(VmHost& host, const std::string& name) {
    host.run(host.vms().remove(name, true, {}));
}

std::uint64_t cpu_ticks(int pid) {
    auto stat = read_process_stat(pid);
    return stat ? stat->cpu_ticks : 0;
}

}  // namespace

TEST_CASE("a paused vm uses no processor, refuses commands, and goes on where it stood") {
    auto& host = vm_host();
    auto vm = host.boot("nap");
    shell(host, "nap", "echo kept > /tmp/x; (while :; do :; done) >/dev/null 2>&1 &");
    CHECK(host.run(host.vms().pause("nap")).state == "paused");
    CHECK(host.run(host.vms().pause("nap")).pause_reason == "asked for");
    CHECK_THROWS_WITH(host.run(host.vms().exec("nap", {.command = {"true"}})),
                      "vm 'nap' is paused, not running");
    CHECK_THROWS_WITH(host.run(host.vms().start("nap", {})), "vm 'nap' is paused; resume it");
    CHECK_THROWS_WITH(host.run(host.vms().remove("nap", false, {})),
                      ContainsSubstring("is paused; stop it first"));
    auto before = cpu_ticks(*vm.pid);
    host.run(sleep_for(std::chrono::seconds(2)));
    // A processor that loops would have used 200.
    CHECK(cpu_ticks(*vm.pid) - before < 50);
    SECTION("through a restart of the daemon too") {
        host.restart();
        CHECK(host.run(host.vms().show("nap")).state == "paused");
    }
    auto again = host.run(host.vms().resume("nap"));
    CHECK(again.state == "running");
    CHECK_FALSE(again.pause_reason);
    CHECK(shell(host, "nap", "cat /tmp/x; cat /proc/sys/kernel/random/boot_id").out ==
          "kept\n" + *vm.boot_id + "\n");
    remove(host, "nap");
}

TEST_CASE("a paused vm is stopped in good order, its files written") {
    auto& host = vm_host();
    host.boot("nap");
    shell(host, "nap", "echo kept > /root/x");
    host.run(host.vms().pause("nap"));
    CHECK(host.run(host.vms().stop("nap", 60, {})).state == "stopped");
    CHECK_THROWS_WITH(host.run(host.vms().pause("nap")), "vm 'nap' is stopped, not running");
    host.run(host.vms().start("nap", {}));
    CHECK(shell(host, "nap", "cat /root/x").out == "kept\n");
    remove(host, "nap");
}
