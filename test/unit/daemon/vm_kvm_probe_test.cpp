#include "daemon/vm/kvm_probe.hpp"

#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "daemon/vm/tsc_clock.hpp"
#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/blocking_pool.hpp"
#include "test/support/catch.hpp"
#include "test/support/run_task.hpp"
#include "test/support/temp_dir.hpp"

using namespace banger;

TEST_CASE("the kvm probe comes to a verdict within its deadline, and says why not") {
    auto began = std::chrono::steady_clock::now();
    auto verdict = vm::probe_kvm_blocking();
    CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(4));
    CHECK(verdict.usable == verdict.reason.empty());
    WARN("kvm usable: " << verdict.usable << " " << verdict.reason);
}

TEST_CASE("a verdict is remembered for this boot of the host, and for no other") {
    test::TempDir cache;
    BlockingPool pool(1);
    auto probe = [&] { return test::run_task(vm::probe_kvm(pool, cache.path())); };
    auto verdict = probe();
    auto file = cache / "kvm-probe.json";
    if (::access("/dev/kvm", R_OK | W_OK) != 0) {
        CHECK_FALSE(std::filesystem::exists(file));
        return;
    }
    auto text = read_file(file);
    SECTION("the file is believed") {
        auto at = text.find("\"reason\":\"") + 10;
        write_file_atomically(file, text.substr(0, at) + "as told: " + text.substr(at));
        CHECK(probe().reason == "as told: " + verdict.reason);
    }
    SECTION("one of another boot is not") {
        write_file_atomically(file,
                              R"({"boot_id":"older","verdict":{"usable":true,"reason":"x"}})");
        CHECK(probe().reason != "x");
    }
    SECTION("a broken one is not") {
        write_file_atomically(file, "{");
        CHECK(probe().usable == verdict.usable);
    }
}

TEST_CASE("the time stamp counter's frequency is that of a processor, and steady") {
    auto khz = vm::tsc_khz_blocking();
    if (!khz) return;
    CHECK(*khz > 400'000);
    CHECK(*khz < 10'000'000);
    CHECK(vm::tsc_khz_blocking() == khz);
}
