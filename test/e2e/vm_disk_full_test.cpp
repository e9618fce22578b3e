#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include "pipelines/io/error.hpp"
#include "pipelines/io/unique_fd.hpp"
#include "test/e2e/vm_host.hpp"
#include "test/support/catch.hpp"
#include "test/support/small_disk.hpp"

using namespace banger;
using namespace banger::test;

namespace {

/// Takes up room until it is removed.
void fill(const std::string& path, off_t bytes) {
    auto file = open_file(path, O_WRONLY | O_CREAT, 0600);
    REQUIRE(::posix_fallocate(file.get(), 0, bytes) == 0);
}

api::VmInfo wait_for_state(VmHost& host, const std::string& state) {
    for (int i = 0; i < 600; ++i) {
        auto vm = host.run(host.vms().show("writer"));
        if (vm.state == state) return vm;
        host.run(sleep_for(std::chrono::milliseconds(100)));
    }
    return host.run(host.vms().show("writer"));
}

/// While this runs, the host's disk fills up; when the VM stands still there is room again.
Task<api::VmInfo> make_room_once_paused(VmHost& host, std::string ballast) {
    for (;;) {
        auto vm = co_await host.vms().show("writer");
        if (vm.state == "paused") {
            std::filesystem::remove(ballast);
            co_return vm;
        }
        co_await sleep_for(std::chrono::milliseconds(100));
    }
}

Task<int> write_in_guest(VmHost& host) {
    api::ExecRequest request;
    request.command = {"/bin/sh", "-c",
                       "dd if=/dev/zero of=/root/big bs=1M count=96 && sync && "
                       "test $(stat -c %s /root/big) = 100663296 && "
                       "! dmesg | grep -q 'I/O error'"};
    auto session = co_await host.vms().exec("writer", std::move(request));
    for (;;) {
        auto event = co_await session->next();
        if (event.kind == vm::ExecEvent::Kind::exited) co_return event.exit_code;
    }
}

}  // namespace

TEST_CASE("a VM is paused when its host's disk fills up, and sees no I/O error") {
    VmHost host(24ull << 20);
    SmallDisk disk(host.paths().vms(), "256m");
    if (!disk) {
        WARN("skipped: only root may mount a small disk");
        return;
    }
    host.boot("writer");
    const auto ballast = host.paths().vms() + "/ballast";
    fill(ballast, 160 << 20);
    auto ends = host.run(when_all(write_in_guest(host), make_room_once_paused(host, ballast)));
    CHECK(std::get<1>(ends).pause_reason == "the host's disk is full");
    CHECK(std::get<0>(ends) == 0);
    auto vm = wait_for_state(host, "running");
    CHECK(vm.state == "running");
    CHECK_FALSE(vm.pause_reason);

    // A new one is refused while there is no room, and nothing of it is left. Between the mark at
    // which VMs go on, 12 MiB, and the reserve.
    const auto room = std::filesystem::space(host.paths().vms()).available;
    fill(ballast, static_cast<off_t>(room) - (18 << 20));
    api::VmCreateRequest second{.name = "second", .image = "busybox"};
    CHECK_THROWS_WITH(host.run(host.vms().create(std::move(second), {})),
                      ContainsSubstring("make room there"));
    CHECK_THROWS_AS(host.run(host.vms().show("second")), Error);
    host.run(host.vms().remove("writer", true, {}));
    std::filesystem::remove(ballast);
}
