#include "daemon/vm/reconcile.hpp"

#include <spdlog/spdlog.h>

#include <filesystem>
#include <set>

#include "daemon/vm/stop.hpp"
#include "daemon/vm/supervise.hpp"
#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::vm {
namespace {

constexpr int kStopSeconds = 10;

/// The VMM that the record names, or one that was started and never written down.
Task<std::unique_ptr<Machine>> find_vmm(VmContext& context, const VmRecord& record) {
    auto& backend = context.deps.backend;
    if (record.pid) co_return backend.adopt({*record.pid, record.start_time});
    if (!may_have_vmm(record.state)) co_return nullptr;
    auto directory = context.runtime(record);
    auto orphan = co_await run_blocking(context.deps.pool, [&](std::stop_token) {
        return backend.find_orphan_blocking(directory);
    });
    if (!orphan) co_return nullptr;
    co_return backend.adopt(*orphan);
}

/// Binds the listener again, for QEMU dials it each second, and watches the VMM.
void adopt(VmContext& context, const InstancePtr& vm, std::unique_ptr<Machine> machine) {
    auto runtime = context.runtime(vm->record);
    std::filesystem::create_directories(runtime);
    std::filesystem::permissions(runtime, std::filesystem::perms::owner_all);
    auto run = std::make_shared<Run>(context.deps.executor);
    run->link = std::make_shared<GuestLink>(context.deps.executor, guest_socket(runtime),
                                            fmt::format("the agent of vm '{}'", vm->record.name));
    run->machine = std::move(machine);
    vm->run = std::move(run);
    follow_boot_id(vm);
    supervise(context, vm);
}

Task<void> settle_without_vmm(VmContext& context, InstancePtr vm) {
    vm->record.pid.reset();
    if (vm->record.state == VmState::running) {
        vm->record.error = "its vmm ended while no daemon was running";
    }
    vm->record.state = VmState::stopped;
    co_await context.clear_runtime(vm->record);
    co_await context.save(*vm);
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
    if (auto machine = co_await find_vmm(context, vm->record)) {
        adopt(context, vm, std::move(machine));
    }
    spdlog::info("vm '{}' was {}{}", vm->record.name, to_string(state),
                 vm->run ? ", its vmm lives" : "");
    if (vm->record.provisional || state == VmState::deleting) {
        co_await destroy(context, vm);
    } else if (state == VmState::starting || (may_have_vmm(state) && !vm->run)) {
        co_await kill_and_wait(vm->run);
        vm->run.reset();
        co_await settle_without_vmm(context, vm);
    } else if (state == VmState::stopping) {
        context.background.spawn(finish_stop(context, vm));
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
    });
}

}  // namespace

Task<void> reconcile_vms(VmContext& context) {
    std::set<std::string> ids;
    for (const auto& stored : co_await context.deps.store.list(store::Table::vms)) {
        ids.insert(stored.key);
        try {
            auto vm = std::make_shared<Instance>(context.deps.executor, from_store(stored));
            context.instances[stored.key] = vm;
            co_await reconcile_vm(context, vm);
        } catch (const std::exception& e) {
            if (is_cancellation(std::current_exception())) throw;
            spdlog::error("vm '{}' is left alone: {}", stored.name, e.what());
        }
    }
    co_await sweep(context, std::move(ids));
}

}  // namespace banger::vm
