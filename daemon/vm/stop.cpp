#include "daemon/vm/stop.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>

#include "daemon/vm/adopt.hpp"
#include "daemon/vm/supervise.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/shield.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::vm {

using Clock = std::chrono::steady_clock;

namespace {

/// After a restart of the daemon the guest needs a moment to say hello again.
constexpr std::chrono::seconds kAgentPatience{5};

Task<void> ask_guest(std::shared_ptr<Run> run, bool paused, Clock::time_point deadline) {
    if (paused) {
        co_await with_timeout(deadline - Clock::now(), run->machine->resume(), "it stays paused");
    }
    auto patience = std::min<Clock::duration>(kAgentPatience, deadline - Clock::now());
    auto agent = co_await with_timeout(patience, wait_agent(run), "its agent is not connected");
    co_await agent->shutdown(deadline - Clock::now());
    co_await with_timeout(deadline - Clock::now(), wait_ended(run), "it did not power off in time");
}

/// True when the VMM ended; false, with the reason in the log, when it has to be killed.
Task<bool> ended_when_asked(Instance& vm, Clock::time_point deadline) {
    try {
        co_await ask_guest(vm.run, vm.record.pause_reason.has_value(), deadline);
    } catch (const Error& e) {
        // The agent's connection goes with the machine: that is the end that was asked for.
        if (!vm.run->ended) {
            spdlog::warn("vm '{}' is killed: {}", vm.record.name, e.what());
        }
    }
    co_return vm.run->ended;
}

Task<void> stop_steps(VmContext& context, InstancePtr vm, int seconds, ProgressSink progress) {
    // Its VMM may live unwatched, when it could not be adopted as the daemon started.
    co_await adopt_vmm(context, vm);
    co_await context.advance(*vm, VmEvent::stop);
    if (vm->run) {
        if (progress) progress({.stage = "stop", .message = "asking the guest to power off"});
        auto deadline = Clock::now() + std::chrono::seconds(seconds);
        if (seconds <= 0 || !co_await ended_when_asked(*vm, deadline)) {
            co_await kill_and_wait(vm->run);
        }
    }
    vm->run.reset();
    vm->record.pid.reset();
    vm->record.error.reset();
    vm->record.pause_reason.reset();
    co_await context.clear_runtime(vm->record);
    co_await context.note(*vm, VmEvent::powered_off);
}

Task<void> destroy_steps(VmContext& context, InstancePtr vm) {
    co_await adopt_vmm(context, vm);
    vm->record.state = VmState::deleting;
    try {
        co_await context.save(*vm);
    } catch (const Error& e) {
        // Deleting is what makes space.
        if (e.code() != Errc::no_space) throw;
        spdlog::warn("vm '{}' is deleted all the same: {}", vm->record.name, e.what());
    }
    co_await kill_and_wait(vm->run);
    vm->run.reset();
    co_await context.forget(vm);
}

}  // namespace

Task<void> stop(VmContext& context, InstancePtr vm, int seconds, ProgressSink progress) {
    return shielded(stop_steps(context, std::move(vm), seconds, std::move(progress)));
}

Task<void> destroy(VmContext& context, InstancePtr vm) {
    return shielded(destroy_steps(context, std::move(vm)));
}

}  // namespace banger::vm
