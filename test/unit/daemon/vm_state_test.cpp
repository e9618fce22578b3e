#include "daemon/vm/vm_state.hpp"

#include "pipelines/io/error.hpp"
#include "test/support/catch.hpp"

using namespace banger;
using banger::vm::next_state;
using banger::vm::VmEvent;
using banger::vm::VmState;

TEST_CASE("a vm's ordinary life goes from created through running to stopped and back") {
    CHECK(next_state(VmState::created, VmEvent::start) == VmState::starting);
    CHECK(next_state(VmState::starting, VmEvent::ready) == VmState::running);
    CHECK(next_state(VmState::running, VmEvent::stop) == VmState::stopping);
    CHECK(next_state(VmState::stopping, VmEvent::powered_off) == VmState::stopped);
    CHECK(next_state(VmState::stopped, VmEvent::start) == VmState::starting);
    CHECK(next_state(VmState::stopped, VmEvent::remove) == VmState::deleting);
}

TEST_CASE("a boot that fails ends in error, one that is undone in stopped") {
    CHECK(next_state(VmState::starting, VmEvent::start_failed) == VmState::error);
    CHECK(next_state(VmState::starting, VmEvent::start_undone) == VmState::stopped);
    CHECK(next_state(VmState::error, VmEvent::start) == VmState::starting);
}

TEST_CASE("a vm pauses and goes on, and is stopped from either") {
    CHECK(next_state(VmState::running, VmEvent::pause) == VmState::paused);
    CHECK(next_state(VmState::paused, VmEvent::resume) == VmState::running);
    CHECK(next_state(VmState::paused, VmEvent::stop) == VmState::stopping);
    CHECK(next_state(VmState::paused, VmEvent::crashed) == VmState::error);
    for (auto state : {VmState::created, VmState::starting, VmState::stopping, VmState::stopped,
                       VmState::error, VmState::deleting}) {
        CHECK_FALSE(next_state(state, VmEvent::pause));
        CHECK_FALSE(next_state(state, VmEvent::resume));
    }
}

TEST_CASE("a vmm that crashes is an error, unless a stop was asked for") {
    CHECK(next_state(VmState::running, VmEvent::crashed) == VmState::error);
    CHECK(next_state(VmState::running, VmEvent::powered_off) == VmState::stopped);
    CHECK(next_state(VmState::stopping, VmEvent::crashed) == VmState::stopped);
}

TEST_CASE("what runs is neither started nor removed, what stands still is not stopped") {
    for (auto state : {VmState::starting, VmState::running, VmState::paused, VmState::stopping}) {
        CHECK_FALSE(next_state(state, VmEvent::start));
        CHECK_FALSE(next_state(state, VmEvent::remove));
    }
    for (auto state : {VmState::created, VmState::stopped, VmState::error, VmState::deleting}) {
        CHECK_FALSE(next_state(state, VmEvent::stop));
        CHECK_FALSE(next_state(state, VmEvent::powered_off));
    }
}

TEST_CASE("nothing leads out of deleting but more deleting") {
    for (auto event : {VmEvent::start, VmEvent::ready, VmEvent::stop, VmEvent::crashed}) {
        CHECK_FALSE(next_state(VmState::deleting, event));
    }
    CHECK(next_state(VmState::deleting, VmEvent::remove) == VmState::deleting);
}

TEST_CASE("states have the names of the api and come back from them") {
    for (auto state : {VmState::created, VmState::starting, VmState::running, VmState::paused,
                       VmState::stopping, VmState::stopped, VmState::error, VmState::deleting}) {
        CHECK(vm::parse_state(vm::to_string(state)) == state);
    }
    CHECK(vm::to_string(VmState::stopping) == "stopping");
    CHECK_THROWS_AS(vm::parse_state("dancing"), Error);
}
