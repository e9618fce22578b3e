#include "test/support/catch.hpp"
#include "test/support/temp_dir.hpp"
#include "test/unit/daemon/vm_world.hpp"

using namespace banger;
using test::message_of;
using test::run_task;
using test::Story;
using test::tell;
using test::World;

namespace {

/// No disk has that much free.
Config full_disk() {
    Config config;
    config.disk_reserve = 1ull << 60;
    return config;
}

}  // namespace

TEST_CASE("a vm that the full disk has paused is its user's when that is asked for") {
    test::TempDir dir;
    Story story = [](World& world) -> Task<void> {
        co_await world.service->reconcile();
        CHECK((co_await world.wait_for("box", "paused")).pause_reason == "the host's disk is full");
        CHECK((co_await world.service->pause("box")).pause_reason == "asked for");
        const auto& saved = world.store.rows.front().document.as_object();
        CHECK(saved.at("pause_reason") == "asked for");

        world.store.full = true;
        CHECK((co_await world.service->pause("box")).pause_reason == "asked for");
    };
    run_task(tell(story, dir / "d", full_disk()));
}

TEST_CASE("a pause that cannot be written down keeps the reason that is") {
    test::TempDir dir;
    Story story = [](World& world) -> Task<void> {
        co_await world.service->reconcile();
        co_await world.wait_for("box", "paused");
        world.store.full = true;
        CHECK(co_await message_of(world.service->pause("box")) == "no space left");
        CHECK((co_await world.service->show("box")).pause_reason == "the host's disk is full");
    };
    run_task(tell(story, dir / "d", full_disk()));
}

TEST_CASE("the watch pauses also what it cannot write down, and a user's pause is refused") {
    test::TempDir dir;
    Story story = [](World& world) -> Task<void> {
        co_await world.service->reconcile();
        world.store.full = true;
        CHECK(co_await message_of(world.service->pause("box")) == "no space left");
        CHECK_FALSE(world.vmm().paused);
        co_await world.wait_for("box", "paused");
        CHECK(world.vmm().paused);
    };
    run_task(tell(story, dir / "d", full_disk()));
}

TEST_CASE("a vmm that does not answer keeps no other from being paused") {
    test::TempDir dir;
    Story story = [](World& world) -> Task<void> {
        world.add("0eb0eb0eb0eb", "web", 8);
        world.vmm(7).stuck = true;
        world.vmm(8).stuck = true;
        co_await world.service->reconcile();
        co_await world.wait_for("box", "paused");
        co_await world.wait_for("web", "paused");
        // Whichever was asked first: the other does not wait for it.
        world.vmm(7).free();
        world.vmm(8).free();
    };
    run_task(tell(story, dir / "d", full_disk()));
}

TEST_CASE("a launch that hangs ends at the boot's deadline, or when the vm is to stop") {
    test::TempDir dir;
    Story story = [](World& world) -> Task<void> {
        co_await world.service->reconcile();
        co_await world.service->stop("box", 0, {});
        world.backend->hangs = true;
        const auto began = std::chrono::steady_clock::now();
        CHECK_THAT(co_await message_of(world.service->start("box", {})),
                   test::ContainsSubstring("the vmm of vm 'box' did not start within 1 s"));
        CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(5));
        CHECK((co_await world.service->show("box")).state == "error");
    };
    auto config = test::roomy();
    config.boot_seconds = 1;
    run_task(tell(story, dir / "d", config));

    story = [](World& world) -> Task<void> {
        co_await world.service->reconcile();
        co_await world.service->stop("box", 0, {});
        world.backend->hangs = true;
        auto stop = [](World& w) -> Task<void> {
            while (!w.backend->launching)
                co_await sleep_for(std::chrono::milliseconds(5));
            CHECK((co_await w.service->stop("box", 0, {})).state == "stopped");
        };
        auto ends = co_await when_all(message_of(world.service->start("box", {})), stop(world));
        CHECK(std::get<0>(ends) == "vm 'box' was stopped while it started");
    };
    config.boot_seconds = 60;
    run_task(tell(story, dir / "e", config));
}
