#include <unistd.h>

#include <filesystem>

#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/process_stat.hpp"
#include "test/e2e/vm_host.hpp"
#include "test/support/catch.hpp"

using namespace banger;
using namespace banger::test;

namespace {

void check_nothing_left(VmHost& host) {
    CHECK(host.vmms().empty());
    CHECK(host.run(host.vms().list()).empty());
    CHECK(std::filesystem::is_empty(host.paths().vms()));
    CHECK(std::filesystem::is_empty(host.paths().runtime + "/vms"));
}

api::VmCreateRequest request(std::string name) {
    api::VmCreateRequest wanted;
    wanted.name = std::move(name);
    return wanted;
}

Errc code_of(VmHost& host, api::VmCreateRequest wanted) {
    try {
        host.run(host.vms().create(std::move(wanted), {}));
    } catch (const Error& e) {
        return e.code();
    }
    return Errc::internal;
}

/// Cancels `task` as soon as `progress` has come to `item`.
struct CancelAt {
    explicit CancelAt(std::string name) : item(std::move(name)) {}
    ProgressSink sink() {
        return [this](const Progress& step) {
            if (step.item == item) reached = true;
        };
    }
    Task<void> wait() {
        while (!reached)
            co_await sleep_for(std::chrono::milliseconds(5));
    }
    std::string item;
    bool reached = false;
};

}  // namespace

TEST_CASE("a boot that is cancelled leaves nothing, and the same command works right after") {
    auto& host = vm_host();
    for (auto item : {"disks", "vmm"}) {
        CAPTURE(item);
        CancelAt at(item);
        host.run(race(host.vms().create(request("again"), at.sink()), at.wait()));
        CHECK(at.reached);
        check_nothing_left(host);
    }
    CHECK(host.boot("again").state == "running");
    host.run(host.vms().remove("again", true, {}));
    check_nothing_left(host);
}

TEST_CASE("a start that is cancelled leaves the vm stopped") {
    auto& host = vm_host();
    auto wanted = request("pausing");
    wanted.start = false;
    CHECK(host.run(host.vms().create(wanted, {})).state == "created");
    CancelAt at("vmm");
    host.run(race(host.vms().start("pausing", at.sink()), at.wait()));
    CHECK(host.vmms().empty());
    CHECK(host.run(host.vms().show("pausing")).state == "created");
    CHECK(host.run(host.vms().start("pausing", {})).state == "running");
    host.run(host.vms().remove("pausing", true, {}));
}

TEST_CASE("a vm that is deleted while it boots ends its boot") {
    auto& host = vm_host();
    auto make = [&]() -> Task<std::string> {
        try {
            co_await host.vms().create(request("doomed"), {});
        } catch (const Error& e) {
            co_return e.what();
        }
        co_return "it booted";
    };
    auto wreck = [&]() -> Task<void> {
        while (host.vmms().empty())
            co_await sleep_for(std::chrono::milliseconds(20));
        co_await host.vms().remove("doomed", true, {});
    };
    auto [said, ignored] = host.run(when_all(make(), wreck()));
    CHECK(said == "vm 'doomed' was stopped while it started");
    check_nothing_left(host);
}

TEST_CASE("a guest that never answers is told after the deadline, with what was seen") {
    auto& host = vm_host();
    auto wanted = request("mute");
    wanted.boot_seconds = 1;
    try {
        host.run(host.vms().create(wanted, {}));
        FAIL("it booted within a second");
    } catch (const Error& e) {
        CHECK(e.code() == Errc::timed_out);
        CHECK_THAT(e.what(), ContainsSubstring("vm 'mute' did not start: no answer from the "
                                               "guest's agent within 1 s"));
    }
    check_nothing_left(host);
}

TEST_CASE("a guest without a root says so in its own words") {
    auto& host = vm_host();
    auto wanted = request("rootless");
    wanted.start = false;
    auto vm = host.run(host.vms().create(wanted, {}));
    // The VM's own disk is not a file system any more.
    write_file_atomically(host.paths().vms() + "/" + vm.id + "/disk.ext4",
                          std::string(1 << 20, 'x'));
    try {
        host.run(host.vms().start("rootless", {}));
        FAIL("it booted");
    } catch (const Error& e) {
        WARN(e.what());
        CHECK_THAT(e.what(), ContainsSubstring("vm 'rootless' did not start: "));
        CHECK_THAT(e.what(), !ContainsSubstring("no answer"));
    }
    auto info = host.run(host.vms().show("rootless"));
    CHECK(info.state == "error");
    REQUIRE(info.boot);
    CHECK_FALSE(info.boot->serial_tail.empty());
    CHECK(host.vmms().empty());
    host.run(host.vms().remove("rootless", false, {}));
    check_nothing_left(host);
}

TEST_CASE("a vmm that cannot start is told in its own words") {
    auto& host = vm_host();
    auto wanted = request("diskless");
    wanted.start = false;
    auto vm = host.run(host.vms().create(wanted, {}));
    std::filesystem::remove(host.paths().vms() + "/" + vm.id + "/disk.ext4");
    CHECK_THROWS_WITH(host.run(host.vms().start("diskless", {})),
                      ContainsSubstring("the vmm ended before the guest answered: exit status 1") &&
                          ContainsSubstring("No such file or directory"));
    host.run(host.vms().remove("diskless", false, {}));
}

TEST_CASE("requests that cannot be met are refused before anything is made") {
    auto& host = vm_host();
    auto wanted = request("bad");
    SECTION("a name that is no host name") {
        wanted.name = "Bad_Name";
        CHECK(code_of(host, wanted) == Errc::invalid_argument);
    }
    SECTION("an unknown kernel, with the nearest name") {
        wanted.kernel = "tset";
        CHECK_THROWS_WITH(host.run(host.vms().create(wanted, {})),
                          ContainsSubstring("did you mean 'test'?"));
    }
    SECTION("a layout that is not there") {
        wanted.image = "oci:/nonexistent:tag";
        CHECK(code_of(host, wanted) == Errc::not_found);
    }
    SECTION("kvm on a host that emulates") {
        wanted.require_kvm = true;
        CHECK(code_of(host, wanted) == Errc::unsupported);
    }
    SECTION("more memory than the host has") {
        wanted.memory_mib = 1u << 30;
        CHECK(code_of(host, wanted) == Errc::invalid_argument);
    }
    SECTION("a disk mode that is none") {
        wanted.disk_mode = "mirror";
        CHECK(code_of(host, wanted) == Errc::invalid_argument);
    }
    check_nothing_left(host);
}

namespace {

std::uint64_t own_resident_bytes() {
    return read_process_stat(::getpid())->rss_pages *
           static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

TEST_CASE("a guest that floods its console takes neither the host's disk nor its time") {
    using Clock = std::chrono::steady_clock;
    auto& host = vm_host();
    auto vm = host.boot("flood");
    const auto log = host.paths().vms() + "/" + vm.id + "/serial.log";
    const auto memory = own_resident_bytes();
    shell(host, "flood", "(tr '\\0' x </dev/zero >/dev/ttyS0) </dev/null >/dev/null 2>&1 &");
    std::uint64_t most = 0;
    auto slowest = Clock::duration::zero();
    const auto end = Clock::now() + std::chrono::seconds(300);
    constexpr std::uint64_t kBeyondLimit = 6 << 20;
    while (std::filesystem::file_size(log) < kBeyondLimit && Clock::now() < end) {
        host.run(sleep_for(std::chrono::milliseconds(100)));
        most = std::max(most, host.blocks_of(log));
        const auto asked = Clock::now();
        CHECK(host.run(host.vms().list()).size() == 1);
        slowest = std::max(slowest, Clock::now() - asked);
    }
    REQUIRE(std::filesystem::file_size(log) >= kBeyondLimit);
    // The limit, and what comes between two looks at it.
    CHECK(most < 8u << 20);
    CHECK(slowest < std::chrono::milliseconds(250));
    CHECK(shell(host, "flood", "echo alive").out == "alive\n");
    CHECK(own_resident_bytes() < memory + (8u << 20));
    CHECK(host.run(host.vms().serial_log("flood", 1000)) == std::string(1000, 'x'));
    host.run(host.vms().remove("flood", true, {}));
}
