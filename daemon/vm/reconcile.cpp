#include "daemon/vm/reconcile.hpp"

#include <spdlog/spdlog.h>

#include <filesystem>
#include <set>

#include "daemon/vm/adopt.hpp"
#include "daemon/vm/disk_watch.hpp"
#include "daemon/vm/limit_vmm.hpp"
#include "daemon/vm/pause.hpp"
#include "daemon/vm/stop.hpp"
#include "daemon/vm/supervise.hpp"
#include "daemon/vm/vmm_cgroup.hpp"
#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/time.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::vm {
namespace {

constexpr int kStopSeconds = 10;

Task<void> settle_without_vmm(VmContext& context, InstancePtr vm) {
    vm->record.pid.reset();
    vm->record.pause_reason.reset();
    if (is_up(vm->record.state)) {
        vm->record.error = "its vmm ended while no daemon was running";
    }
    if (vm->record.state != VmState::stopped) {
        vm->record.end_reason = vm->record.state == VmState::starting
                                    ? "the daemon ended while it started"
                                    : "its vmm ended while no daemon was running";
        vm->record.stopped_at = now_rfc3339();
    }
    vm->record.state = VmState::stopped;
    co_await context.clear_runtime(vm->record);
    co_await context.save(*vm);
}

/// What it was held to may have gone with the daemon before (systemd/release-cgroup).
Task<void> limit_again(VmContext& context, InstancePtr vm) {
    try {
        const int pid = vm->run->machine->handle().pid;
        co_await limit_vmm(context, vm->record, pid);
    } catch (const std::exception& e) {
        if (is_cancellation(std::current_exception())) throw;
        spdlog::warn("the vmm of vm '{}' has no limits: {}", vm->record.name, e.what());
    }
}

Task<void> finish_stop(VmContext& context, InstancePtr vm) {
    auto held = co_await vm->lock.acquire();
    if (vm->record.state != VmState::stopping) co_return;
    try {
        co_await stop(context, vm, kStopSeconds, {});
    } catch (const std::exception& e) {
        if (is_cancellation(std::current_exception())) throw;
        spdlog::error("cannot finish stopping vm '{}': {}", vm->record.name, e.what());
    }
}

/// States on the way win over what runs: what was begun is ended.
Task<void> reconcile_vm(VmContext& context, InstancePtr vm) {
    auto state = vm->record.state;
    co_await adopt_vmm(context, vm);
    spdlog::info("vm '{}' was {}{}", vm->record.name, to_string(state),
                 vm->run ? ", its vmm lives" : "");
    if (vm->record.provisional || state == VmState::deleting) {
        co_await destroy(context, vm);
    } else if (state == VmState::starting || (may_have_vmm(state) && !vm->run)) {
        co_await kill_and_wait(vm->run);
        vm->end_run();
        co_await settle_without_vmm(context, vm);
    } else if (state == VmState::stopping) {
        context.spawn(finish_stop(context, vm),
                      fmt::format("vm '{}' is not stopped", vm->record.name));
    } else if (state == VmState::paused) {
        context.spawn(pause_again(vm), fmt::format("vm '{}' is not paused", vm->record.name));
    } else if (!vm->run) {
        // What a daemon left that ended as it tidied up.
        co_await context.clear_runtime(vm->record);
    }
    if (vm->run && is_up(state)) co_await limit_again(context, vm);
}

/// Null, and told of, when it cannot be read. Nothing of such a VM is touched: its record may be of
/// a newer banger, to which the user goes back.
InstancePtr read_vm(VmContext& context, const store::Record& stored) {
    try {
        auto vm = std::make_shared<Instance>(context.deps.executor, from_store(stored));
        context.instances[stored.key] = vm;
        return vm;
    } catch (const Error& e) {
        spdlog::error("the record of vm '{}' cannot be read: {}", stored.name, e.what());
        context.unreadable[stored.key] = {stored.name, e.what()};
        return nullptr;
    }
}

void sweep_blocking(const std::string& parent, const std::set<std::string>& ids) {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(parent, ignored)) {
        if (ids.contains(entry.path().filename())) continue;
        spdlog::info("removing {}, which belongs to no vm", entry.path().string());
        std::filesystem::remove_all(entry.path(), ignored);
    }
}

Task<void> sweep(VmContext& context, std::set<std::string> ids) {
    auto& paths = context.deps.paths;
    co_await run_blocking(context.deps.pool, [&](std::stop_token) {
        sweep_blocking(paths.vms(), ids);
        sweep_blocking(paths.runtime + "/vms", ids);
        VmmCgroups::find_blocking(paths.state).sweep_blocking(ids);
    });
}

}  // namespace

Task<void> reconcile_vms(VmContext& context) {
    std::set<std::string> ids;
    for (const auto& stored : co_await context.deps.store.list(store::Table::vms)) {
        ids.insert(stored.key);
        auto vm = read_vm(context, stored);
        if (!vm) continue;
        try {
            // Of a daemon that knew no addresses yet; saved when the record is next.
            if (vm->record.address.empty()) {
                vm->record.address = context.free_address(vm->record.id);
            }
            co_await reconcile_vm(context, vm);
        } catch (const std::exception& e) {
            if (is_cancellation(std::current_exception())) throw;
            spdlog::error("vm '{}' is left alone: {}", stored.name, e.what());
        }
    }
    co_await sweep(context, std::move(ids));
    context.spawn(watch_disk(context), "the disk is not watched");
}

}  // namespace banger::vm
