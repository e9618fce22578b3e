#include "daemon/vm/instance.hpp"

#include <spdlog/spdlog.h>

#include <boost/asio/this_coro.hpp>
#include <filesystem>
#include <set>
#include <utility>

#include "daemon/net/loopback_pool.hpp"
#include "daemon/vm/vm_names.hpp"
#include "daemon/vm/vmm_cgroup.hpp"
#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/shield.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::vm {

namespace asio = boost::asio;

namespace {

void remove_tree(const std::string& path) {
    std::error_code error;
    std::filesystem::remove_all(path, error);
    if (error) fail(errc_from_errno(error.value()), "cannot remove {}: {}", path, error.message());
}

/// In the group an exception would cancel what is done for all other VMs.
Task<void> run_alone(Task<void> work, std::string what) {
    std::string why;
    try {
        co_await std::move(work);
        co_return;
    } catch (const std::exception& e) {
        why = e.what();
    }
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() == asio::cancellation_type::none) spdlog::error("{}: {}", what, why);
}

}  // namespace

void Instance::end_run() {
    if (run && run->ports) run->ports->close();
    run.reset();
}

std::string VmContext::free_address(const std::string& id) const {
    std::set<std::string> taken;
    for (const auto& [other, vm] : instances)
        taken.insert(vm->record.address);
    return net::choose_loopback_address(id, taken);
}

Task<void> VmContext::save(const Instance& vm) {
    co_await deps.store.update(store::Table::vms, to_store(vm.record));
}

VmState VmContext::state_after(const VmRecord& record, VmEvent event) {
    auto next = next_state(record.state, event);
    if (!next) fail(Errc::conflict, "vm '{}' is {}", record.name, to_string(record.state));
    return *next;
}

Task<void> VmContext::advance(Instance& vm, VmEvent event) {
    auto before = std::exchange(vm.record.state, state_after(vm.record, event));
    try {
        co_await shielded(save(vm));
    } catch (...) {
        vm.record.state = before;
        throw;
    }
}

Task<void> VmContext::note(Instance& vm, VmEvent event) {
    vm.record.state = state_after(vm.record, event);
    try {
        co_await shielded(save(vm));
    } catch (const std::exception& e) {
        if (is_cancellation(std::current_exception())) throw;
        spdlog::error("vm '{}' is {}, which could not be saved: {}", vm.record.name,
                      to_string(vm.record.state), e.what());
    }
}

Task<void> VmContext::clear_runtime(const VmRecord& record) {
    // Of no VM that we made; and the directory of no name is that of all VMs.
    if (!is_vm_id(record.id)) co_return;
    auto sockets = runtime(record);
    auto initramfs = directory(record) + "/initramfs";
    co_await run_blocking(deps.pool, [&](std::stop_token) {
        remove_tree(sockets);
        remove_tree(initramfs);
        VmmCgroups::find_blocking(deps.paths.state).remove_blocking(record.id);
    });
}

Task<void> VmContext::forget(InstancePtr vm) {
    co_await clear_runtime(vm->record);
    auto files = directory(vm->record);
    if (is_vm_id(vm->record.id)) {
        co_await run_blocking(deps.pool, [&](std::stop_token) { remove_tree(files); });
    }
    co_await deps.store.erase(store::Table::vms, vm->record.id);
    vm->removed = true;
    instances.erase(vm->record.id);
}

void VmContext::spawn(Task<void> work, std::string what) {
    background.spawn(run_alone(std::move(work), std::move(what)));
}

}  // namespace banger::vm
