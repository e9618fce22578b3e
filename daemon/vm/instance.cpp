#include "daemon/vm/instance.hpp"

#include <filesystem>

#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/error.hpp"

namespace banger::vm {
namespace {

void remove_tree(const std::string& path) {
    std::error_code error;
    std::filesystem::remove_all(path, error);
    if (error) fail(errc_from_errno(error.value()), "cannot remove {}: {}", path, error.message());
}

}  // namespace

Task<void> VmContext::save(const Instance& vm) {
    co_await deps.store.update(store::Table::vms, to_store(vm.record));
}

Task<void> VmContext::advance(Instance& vm, VmEvent event) {
    auto next = next_state(vm.record.state, event);
    if (!next) {
        fail(Errc::conflict, "vm '{}' is {}", vm.record.name, to_string(vm.record.state));
    }
    vm.record.state = *next;
    co_await save(vm);
}

Task<void> VmContext::clear_runtime(const VmRecord& record) {
    auto sockets = runtime(record);
    auto initramfs = directory(record) + "/initramfs";
    co_await run_blocking(deps.pool, [&](std::stop_token) {
        remove_tree(sockets);
        remove_tree(initramfs);
    });
}

Task<void> VmContext::forget(InstancePtr vm) {
    co_await clear_runtime(vm->record);
    auto files = directory(vm->record);
    co_await run_blocking(deps.pool, [&](std::stop_token) { remove_tree(files); });
    co_await deps.store.erase(store::Table::vms, vm->record.id);
    vm->removed = true;
    instances.erase(vm->record.id);
}

}  // namespace banger::vm
