#include "daemon/vm/pause.hpp"

#include <spdlog/spdlog.h>

#include <chrono>
#include <utility>

#include "daemon/vm/supervise.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/shield.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::vm {
namespace {

constexpr std::chrono::seconds kClockLimit{30};

void check_up(const Instance& vm) {
    if (is_up(vm.record.state) && vm.run) return;
    fail(Errc::conflict, "vm '{}' is {}, not running", vm.record.name, to_string(vm.record.state));
}

Task<void> tell_time(std::shared_ptr<Run> run) {
    auto agent = co_await wait_agent(run);
    auto now = std::chrono::system_clock::now().time_since_epoch();
    co_await agent->set_clock(std::chrono::nanoseconds(now).count(), kClockLimit);
}

/// Nobody waits for it: a guest that does not answer at once may be busy with what it missed.
Task<void> set_clock_later(std::shared_ptr<Run> run, std::string name) {
    try {
        co_await with_timeout(kClockLimit, tell_time(std::move(run)), "its agent is not connected");
    } catch (const std::exception& e) {
        if (is_cancellation(std::current_exception())) throw;
        spdlog::warn("the clock of vm '{}' was not set after its pause: {}", name, e.what());
    }
}

Task<void> change_reason(VmContext& context, InstancePtr vm, std::string reason) {
    if (vm->record.pause_reason == reason) co_return;
    const auto before = std::exchange(vm->record.pause_reason, std::move(reason));
    std::exception_ptr error;
    try {
        co_await context.save(*vm);
    } catch (...) {
        error = std::current_exception();
    }
    if (!error) co_return;
    vm->record.pause_reason = before;
    std::rethrow_exception(error);
}

/// Written down first: a daemon that ends between the two finds a VM to pause again, never one that
/// stands still and is called running.
Task<void> write_down(VmContext& context, Instance& vm) {
    try {
        co_return co_await context.advance(vm, VmEvent::pause);
    } catch (const Error& e) {
        if (e.code() != Errc::no_space || vm.record.pause_reason != kDiskIsFull) throw;
        spdlog::warn("vm '{}' is paused all the same: {}", vm.record.name, e.what());
    }
    vm.record.state = VmState::paused;
}

Task<void> pause_steps(VmContext& context, InstancePtr vm, std::string reason) {
    check_up(*vm);
    if (vm->record.state == VmState::paused) {
        co_return co_await change_reason(context, std::move(vm), std::move(reason));
    }
    vm->record.pause_reason = std::move(reason);
    std::exception_ptr error;
    try {
        co_await write_down(context, *vm);
        vm->run->stand_still(true);
        co_await vm->run->machine->pause();
    } catch (...) {
        error = std::current_exception();
    }
    if (!error) co_return;
    vm->run->stand_still(false);
    vm->record.pause_reason.reset();
    if (vm->record.state == VmState::paused) co_await context.note(*vm, VmEvent::resume);
    std::rethrow_exception(error);
}

Task<void> resume_steps(VmContext& context, InstancePtr vm) {
    check_up(*vm);
    bool paused = vm->record.state == VmState::paused;
    co_await vm->run->machine->resume();
    vm->run->stand_still(false);
    if (!paused) co_return;
    vm->record.pause_reason.reset();
    co_await context.note(*vm, VmEvent::resume);
    context.spawn(set_clock_later(vm->run, vm->record.name),
                  fmt::format("the clock of vm '{}'", vm->record.name));
}

}  // namespace

Task<void> pause(VmContext& context, InstancePtr vm, std::string reason) {
    return shielded(pause_steps(context, std::move(vm), std::move(reason)));
}

Task<void> resume(VmContext& context, InstancePtr vm) {
    return shielded(resume_steps(context, std::move(vm)));
}

Task<void> pause_again(InstancePtr vm) {
    auto held = co_await vm->lock.acquire();
    if (vm->record.state != VmState::paused || !vm->run) co_return;
    vm->run->stand_still(true);
    try {
        co_await vm->run->machine->pause();
    } catch (const std::exception& e) {
        if (is_cancellation(std::current_exception())) throw;
        spdlog::error("cannot tell whether vm '{}' is still paused: {}", vm->record.name, e.what());
    }
}

}  // namespace banger::vm
