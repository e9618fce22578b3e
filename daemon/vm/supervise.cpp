#include "daemon/vm/supervise.hpp"

#include <spdlog/spdlog.h>

#include <boost/asio/this_coro.hpp>

#include "daemon/vm/backends.hpp"
#include "daemon/vm/boot_report.hpp"
#include "daemon/vm/file_tail.hpp"
#include "daemon/vm/ports.hpp"
#include "daemon/vm/stop.hpp"
#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/time.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::vm {

namespace asio = boost::asio;

namespace {

constexpr std::uint64_t kLogLimit = 4 << 20;
constexpr std::chrono::seconds kLogCheck{2};
constexpr std::chrono::seconds kKillLimit{10};

void end(Run& run) {
    run.ended = true;
    run.changed.notify();
}

/// Says so at once: who waits for the end waits for no log or link.
Task<void> watch_machine(std::shared_ptr<Run> run) {
    run->status = co_await run->machine->wait_end();
    end(*run);
}

/// A guest that floods its console, or makes its VMM complain, fills no disk of the host.
Task<void> limit_logs(VmContext& context, std::string directory) {
    for (;;) {
        co_await sleep_for(kLogCheck);
        co_await run_blocking(context.deps.pool, [&](std::stop_token) {
            for (const auto* name : {"/serial.log", "/vmm.log", "/network.log", "/firecracker.log"})
                give_back_head_blocking(directory + name, kLogLimit);
        });
    }
}

/// Never ends but by cancellation: trouble with the link is no end of the VM.
Task<void> serve_guest(VmContext& context, std::shared_ptr<Run> run, std::string directory) {
    for (;;) {
        try {
            if (run->link) {
                co_await when_all(run->link->run(), limit_logs(context, directory));
            } else {
                co_await limit_logs(context, directory);
            }
        } catch (const std::exception& e) {
            if (is_cancellation(std::current_exception())) throw;
            spdlog::error("the way to a guest broke ({}): {}", directory, e.what());
        }
        co_await sleep_for(std::chrono::seconds(1));
    }
}

/// A VMM that has ended by itself: the guest powered off, or something went wrong.
struct End {
    std::string exit;
    std::string reason;
    bool clean = true;
};

/// Firecracker ends the same way for both, and so does our agent's power-off there.
bool has_rebooted(const Backend& backend, const std::string& console) {
    return !backend.uses_vsock() && console.find("reboot: Restarting system") != std::string::npos;
}

Task<End> explain_end(VmContext& context, const VmRecord& record, const Run& run) {
    auto directory = context.directory(record);
    auto read = [&](std::stop_token) {
        return read_tail_blocking(directory + "/serial.log", 16384);
    };
    auto console = co_await run_blocking(context.deps.pool, read);
    auto& backend = context.deps.backends.of(record.backend);
    auto exit = backend.describe_exit(directory, run.status);
    if (record.state == VmState::stopping) {
        co_return End{exit, "it was to stop, and ended late: " + exit};
    }
    if (console.find("Kernel panic - not syncing") != std::string::npos) {
        co_return End{exit, verdict({console, exit, 0}), false};
    }
    if (run.status && !run.status->success()) {
        co_return End{exit, "the vmm has ended: " + exit, false};
    }
    co_return End{exit, has_rebooted(backend, console) ? "the guest rebooted, which ends its vm"
                                                       : "the guest powered itself off"};
}

/// Before the state is saved: what a crash leaves beside a stopped VM, nobody would look for. What
/// cannot be removed is left to the next daemon.
Task<void> clear_after_end(VmContext& context, const VmRecord& record) {
    try {
        co_await context.clear_runtime(record);
    } catch (const std::exception& e) {
        if (is_cancellation(std::current_exception())) throw;
        spdlog::error("vm '{}' has ended: {}", record.name, e.what());
    }
}

Task<void> settle(VmContext& context, Instance& vm, const Run& run) {
    auto end = co_await explain_end(context, vm.record, run);
    co_await clear_after_end(context, vm.record);
    // From here on nothing suspends before all of it is told.
    if (vm.record.boot) vm.record.boot->vmm_exit = end.exit;
    if (!end.clean) {
        vm.record.error = end.reason;
        spdlog::warn("vm '{}': {}", vm.record.name, end.reason);
    }
    vm.record.end_reason = std::move(end.reason);
    vm.record.stopped_at = now_rfc3339();
    vm.record.pid.reset();
    vm.record.pause_reason.reset();
    vm.end_run();
    co_await context.note(vm, end.clean ? VmEvent::powered_off : VmEvent::crashed);
}

Task<void> watch_run(VmContext& context, InstancePtr vm, std::shared_ptr<Run> run) {
    std::exception_ptr error;
    std::string why;
    try {
        auto service = when_all(serve_guest(context, run, context.directory(vm->record)),
                                serve_ports(vm, run));
        co_await race(watch_machine(run), std::move(service));
    } catch (const std::exception& e) {
        error = std::current_exception();
        why = e.what();
    }
    if (!error) co_return;
    // The daemon ends. Any other cancellation is none of ours, whatever threw it.
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) std::rethrow_exception(error);
    spdlog::error("vm '{}' is killed, for it cannot be watched: {}", vm->record.name, why);
    run->machine->kill();
    end(*run);
}

Task<void> supervise_run(VmContext& context, InstancePtr vm, std::shared_ptr<Run> run) {
    co_await watch_run(context, vm, run);
    auto held = co_await vm->lock.acquire();
    // Whoever stopped or undid it has settled the state by now, unless the VMM outlived its kill:
    // then starting, stopping and deleting come to their end here.
    if (vm->run != run || vm->removed || !may_have_vmm(vm->record.state)) co_return;
    try {
        if (vm->record.state == VmState::deleting) co_return co_await destroy(context, vm);
        co_await settle(context, *vm, *run);
    } catch (const std::exception& e) {
        if (is_cancellation(std::current_exception())) throw;
        spdlog::error("cannot settle the end of vm '{}': {}", vm->record.name, e.what());
    }
}

}  // namespace

void supervise(VmContext& context, InstancePtr vm) {
    auto run = vm->run;
    auto what = fmt::format("the supervisor of vm '{}' has ended", vm->record.name);
    context.spawn(supervise_run(context, std::move(vm), std::move(run)), std::move(what));
}

void follow_boot_id(const InstancePtr& vm) {
    if (!vm->run->link) return;
    // The VM owns the link: owning the VM in turn, this would keep both for ever.
    vm->run->link->on_hello = [weak = std::weak_ptr<Instance>(vm)](const Hello& hello) {
        if (auto known = weak.lock()) known->record.boot_id = hello.boot_id;
    };
}

Task<std::shared_ptr<AgentClient>> wait_agent(std::shared_ptr<Run> run) {
    auto link = run->link;
    if (!link) {
        fail(Errc::unavailable, "the guest cannot be reached; stop the vm and start it again");
    }
    auto first = co_await race(link->wait_agent(), wait_ended(run));
    if (first.index() == 0) co_return std::get<0>(std::move(first));
    fail(Errc::unavailable, "the vm has ended");
}

Task<void> wait_ended(std::shared_ptr<Run> run) {
    while (!run->ended)
        co_await run->changed.wait();
}

Task<void> kill_and_wait(std::shared_ptr<Run> run) {
    if (!run || run->ended) co_return;
    run->machine->kill();
    auto what = fmt::format("the vmm (process {}) does not end although it was killed",
                            run->machine->handle().pid);
    co_await with_timeout(kKillLimit, wait_ended(run), std::move(what));
}

}  // namespace banger::vm
