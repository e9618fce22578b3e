#include <csignal>

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

TEST_CASE("a killed vm is stopped, and says what ended it") {
    auto& host = vm_host();
    auto signal = GENERATE(SIGKILL, SIGTERM);
    auto vm = host.boot("victim");
    auto killed = host.run(host.vms().kill("victim", signal));
    CHECK(killed.state == "stopped");
    CHECK(killed.end_reason == fmt::format("killed by signal {} as asked for", signal));
    CHECK_FALSE(killed.error);
    CHECK(host.vmms().empty());
    CHECK(host.run(host.vms().kill("victim", signal)).state == "stopped");
    remove(host, "victim");
}

TEST_CASE("a guest that does not end in time is killed, and the record keeps why") {
    auto& host = vm_host();
    auto vm = host.boot("deaf");
    ::kill(*vm.pid, SIGSTOP);
    auto stopped = host.run(host.vms().stop("deaf", 1, {}));
    CHECK(stopped.state == "stopped");
    CHECK_THAT(stopped.end_reason.value_or(""), ContainsSubstring("killed when it was to stop: "));
    CHECK(stopped.stopped_at);
    CHECK(host.vmms().empty());
    remove(host, "deaf");
}

TEST_CASE("a restart boots anew, with the same files") {
    auto& host = vm_host();
    auto vm = host.boot("again");
    shell(host, "again", "echo kept > /root/x");
    auto second = host.run(host.vms().restart("again", 60, {}));
    CHECK(second.state == "running");
    CHECK(second.boot_id != vm.boot_id);
    CHECK(shell(host, "again", "cat /root/x").out == "kept\n");
    remove(host, "again");
}

TEST_CASE("a disk grows while its vm runs, and while it is stopped") {
    auto& host = vm_host();
    auto mode = GENERATE("overlay", "copy");
    api::VmCreateRequest request;
    request.name = "grower";
    request.disk_mode = mode;
    auto vm = host.run(host.vms().create(request, {}));
    auto size_in_guest = [&] {
        return std::stoull(
            shell(host, "grower", "df -P -k /root | tail -n 1 | awk '{print $2}'").out);
    };
    auto wanted = vm.disk_size + (16ull << 30);
    auto grown = host.run(host.vms().change("grower", {.disk_size = wanted}));
    CHECK(grown.disk_size == wanted);
    CHECK(size_in_guest() > 16ull << 20);
    shell(host, "grower", "echo kept > /root/x");
    CHECK_THROWS_WITH(host.run(host.vms().change("grower", {.disk_size = 1ull << 30})),
                      ContainsSubstring("a disk only grows"));
    CHECK_THROWS_WITH(host.run(host.vms().change("grower", {.vcpu = 2})),
                      "vm 'grower' is running; processors and memory change while it is stopped");
    host.run(host.vms().stop("grower", 60, {}));
    wanted += 8ull << 30;
    host.run(host.vms().change(
        "grower", {.name = "larger", .vcpu = 2, .memory_mib = 400, .disk_size = wanted}));
    CHECK_THROWS_AS(host.run(host.vms().show("grower")), Error);
    host.run(host.vms().change("larger", {.name = "grower"}));
    host.run(host.vms().start("grower", {}));
    CHECK(size_in_guest() > 24ull << 20);
    CHECK(shell(host, "grower", "cat /root/x; nproc").out == "kept\n2\n");
    remove(host, "grower");
}

TEST_CASE("what a vm uses and how it is can be asked at any time") {
    auto& host = vm_host();
    auto vm = host.boot("seen");
    auto stats = host.run(host.vms().stats("seen"));
    CHECK(stats.cpu_ms > 0);
    CHECK(stats.memory_used > 32u << 20);
    CHECK(stats.disk_used > 0);
    REQUIRE(stats.network_sent);
    CHECK(shell(host, "seen", "ping -c 2 -s 1000 10.0.2.2").exit_code == 0);
    const auto later = host.run(host.vms().stats("seen"));
    CHECK(later.network_sent.value_or(0) > *stats.network_sent + 2000);
    CHECK(later.network_received.value_or(0) > stats.network_received.value_or(0) + 2000);
    auto health = host.run(host.vms().health("seen"));
    CHECK(health.healthy);
    CHECK(health.boot_id == vm.boot_id);
    ::kill(*vm.pid, SIGSTOP);
    auto silent = host.run(host.vms().health("seen"));
    CHECK_FALSE(silent.healthy);
    CHECK_THAT(silent.problem.value_or(""), ContainsSubstring("did not answer within 5 s"));
    ::kill(*vm.pid, SIGCONT);
    host.run(host.vms().stop("seen", 60, {}));
    CHECK(host.run(host.vms().health("seen")).problem == "the vm is stopped");
    CHECK(host.run(host.vms().stats("seen")).memory_used == 0);
    CHECK_FALSE(host.run(host.vms().stats("seen")).network_sent);
    remove(host, "seen");
}

TEST_CASE("a record of a newer banger, or a damaged one, is told of and left alone") {
    auto& host = vm_host();
    auto vm = host.boot("riddle");
    auto change = GENERATE(
        +[](boost::json::object& record) { record["version"] = 99; },
        +[](boost::json::object& record) { record["vcpu"] = "many"; });
    host.rewrite_record("riddle", change);
    host.boot("sane");
    host.restart();
    auto info = host.run(host.vms().show("riddle"));
    CHECK(info.state == "unreadable");
    CHECK(info.error);
    CHECK(host.run(host.vms().list()).size() == 2);
    CHECK(shell(host, "sane", "echo well").out == "well\n");
    CHECK(host.vmms().size() == 2);
    CHECK_THROWS_WITH(host.run(host.vms().start("riddle", {})),
                      ContainsSubstring("the record of vm 'riddle' cannot be read: "));
    CHECK_THROWS_AS(host.run(host.vms().remove("riddle", false, {})), Error);
    api::VmCreateRequest again;
    again.name = "riddle";
    CHECK_THROWS_WITH(host.run(host.vms().create(again, {})), "a vm named 'riddle' exists already");
    remove(host, "riddle");
    CHECK(host.vmms().size() == 1);
    remove(host, "sane");
    CHECK(host.run(host.vms().list()).empty());
}
