#include "daemon/vm/stop.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <csignal>

#include "daemon/vm/adopt.hpp"
#include "daemon/vm/supervise.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/shield.hpp"
#include "pipelines/io/time.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::vm {

using Clock = std::chrono::steady_clock;

namespace {

/// After a restart of the daemon the guest needs a moment to say hello again.
constexpr std::chrono::seconds kAgentPatience{5};
constexpr std::chrono::seconds kSignalLimit{10};

Task<void> ask_guest(std::shared_ptr<Run> run, bool paused, Clock::time_point deadline) {
    if (paused) {
        co_await with_timeout(deadline - Clock::now(), run->machine->resume(), "it stays paused");
        run->stand_still(false);
    }
    auto patience = std::min<Clock::duration>(kAgentPatience, deadline - Clock::now());
    auto agent = co_await with_timeout(patience, wait_agent(run), "its agent is not connected");
    co_await agent->shutdown(deadline - Clock::now());
    co_await with_timeout(deadline - Clock::now(), wait_ended(run), "it did not power off in time");
}

/// Empty when the guest ended as it was asked; otherwise why its VMM has to be killed.
Task<std::string> ask_to_end(Instance& vm, int seconds) {
    if (seconds <= 0) co_return "no time was given";
    std::string why;
    try {
        co_await ask_guest(vm.run, vm.record.pause_reason.has_value(),
                           Clock::now() + std::chrono::seconds(seconds));
    } catch (const Error& e) {
        why = e.what();
    }
    // The agent's connection goes with the machine: that is the end that was asked for.
    co_return vm.run->ended ? "" : why;
}

Task<std::string> end_guest(Instance& vm, int seconds) {
    auto why = co_await ask_to_end(vm, seconds);
    if (why.empty()) co_return "stopped as asked for";
    spdlog::warn("vm '{}' is killed: {}", vm.record.name, why);
    co_await kill_and_wait(vm.run);
    co_return fmt::format("killed when it was to stop: {}", why);
}

/// The VMM's death is proven.
Task<void> settle_stopped(VmContext& context, InstancePtr vm, std::string reason) {
    vm->end_run();
    vm->record.pid.reset();
    vm->record.error.reset();
    vm->record.pause_reason.reset();
    vm->record.end_reason = std::move(reason);
    vm->record.stopped_at = now_rfc3339();
    co_await context.clear_runtime(vm->record);
    co_await context.note(*vm, VmEvent::powered_off);
}

Task<void> stop_steps(VmContext& context, InstancePtr vm, int seconds, ProgressSink progress) {
    // Its VMM may live unwatched, when it could not be adopted as the daemon started.
    co_await adopt_vmm(context, vm);
    co_await context.advance(*vm, VmEvent::stop);
    if (progress) progress({.stage = "stop", .message = "asking the guest to power off"});
    std::string reason = "its vmm had ended";
    if (vm->run) reason = co_await end_guest(*vm, seconds);
    co_await settle_stopped(context, vm, std::move(reason));
}

Task<void> send_signal(Instance& vm, int signal) {
    vm.run->machine->signal(signal);
    auto what = fmt::format("the vmm (process {}) did not end within {} s of signal {}; use KILL",
                            vm.run->machine->handle().pid, kSignalLimit.count(), signal);
    co_await with_timeout(kSignalLimit, wait_ended(vm.run), std::move(what));
}

/// It runs on, as if nothing had been asked for.
Task<void> take_back(VmContext& context, InstancePtr vm, VmState before) {
    vm->record.state = before;
    co_await context.save(*vm);
}

Task<void> kill_steps(VmContext& context, InstancePtr vm, int signal) {
    co_await adopt_vmm(context, vm);
    auto before = vm->record.state;
    co_await context.advance(*vm, VmEvent::stop);
    std::exception_ptr error;
    try {
        if (vm->run && signal != SIGKILL) co_await send_signal(*vm, signal);
    } catch (const Error&) {
        error = std::current_exception();
    }
    if (error) {
        co_await take_back(context, vm, before);
        std::rethrow_exception(error);
    }
    co_await kill_and_wait(vm->run);
    co_await settle_stopped(context, vm, fmt::format("killed by signal {} as asked for", signal));
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
    vm->end_run();
    co_await context.forget(vm);
}

}  // namespace

Task<void> stop(VmContext& context, InstancePtr vm, int seconds, ProgressSink progress) {
    return shielded(stop_steps(context, std::move(vm), seconds, std::move(progress)));
}

Task<void> kill(VmContext& context, InstancePtr vm, int signal) {
    return shielded(kill_steps(context, std::move(vm), signal));
}

Task<void> destroy(VmContext& context, InstancePtr vm) {
    return shielded(destroy_steps(context, std::move(vm)));
}

}  // namespace banger::vm
