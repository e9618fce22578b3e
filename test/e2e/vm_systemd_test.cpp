#include "test/e2e/vm_host.hpp"
#include "test/support/catch.hpp"

using namespace banger;
using namespace banger::test;

TEST_CASE("a debian with systemd answers early, comes up behind the agent, and keeps its files") {
    auto& host = vm_host();
    auto image = host.image("debian-systemd");
    api::VmCreateRequest request;
    request.name = "deb";
    request.image = image;
    auto vm = host.run(host.vms().create(request, {}));
    WARN("agent after " << vm.boot->timeline.back().ms << " ms");
    auto release =
        shell(host, "deb", ". /etc/os-release; echo $ID $VERSION_CODENAME; cat /proc/1/comm");
    CHECK(release.out.starts_with("debian bookworm\n"));
    auto began = std::chrono::steady_clock::now();
    std::string state;
    while (state != "running\n" && state != "degraded\n") {
        REQUIRE(std::chrono::steady_clock::now() - began < std::chrono::seconds(150));
        host.run(sleep_for(std::chrono::milliseconds(500)));
        state = shell(host, "deb", "systemctl is-system-running").out;
    }
    std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - began;
    WARN("systemd is " << state << " after another " << seconds.count() << " s; failed units: "
                       << shell(host, "deb", "systemctl --failed --no-legend").out);
    CHECK(shell(host, "deb", "cat /proc/1/comm").out == "systemd\n");
    CHECK(shell(host, "deb", "echo kept > /root/a; echo kept > /etc/b; hostname").out == "deb\n");
    auto stopping = std::chrono::steady_clock::now();
    CHECK(host.run(host.vms().stop("deb", 60, {})).state == "stopped");
    seconds = std::chrono::steady_clock::now() - stopping;
    WARN("stopped in " << seconds.count() << " s");
    host.run(host.vms().start("deb", {}));
    CHECK(shell(host, "deb", "cat /root/a /etc/b").out == "kept\nkept\n");
    host.run(host.vms().remove("deb", true, {}));
}

TEST_CASE("a vm that is to be ready as a system is so when systemd says so") {
    auto& host = vm_host();
    api::VmCreateRequest request;
    request.name = "whole";
    request.image = host.image("debian-systemd");
    request.wait = "system";
    request.boot_seconds = 170;
    host.run(host.vms().create(request, {}));
    auto state = shell(host, "whole", "systemctl is-system-running").out;
    CHECK((state == "running\n" || state == "degraded\n"));
    host.run(host.vms().remove("whole", true, {}));
}
