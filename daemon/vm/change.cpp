#include "daemon/vm/change.hpp"

#include <chrono>
#include <utility>

#include "daemon/vm/create.hpp"
#include "daemon/vm/ports.hpp"
#include "daemon/vm/supervise.hpp"
#include "daemon/vm/vm_disks.hpp"
#include "daemon/vm/vm_names.hpp"
#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/shield.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::vm {
namespace {

constexpr std::chrono::seconds kAgentPatience{10};
constexpr std::chrono::seconds kGrowLimit{60};

bool changes_machine(const VmRecord& before, const VmRecord& after) {
    return before.vcpu != after.vcpu || before.memory_mib != after.memory_mib;
}

void check_machine(const VmRecord& before, const VmRecord& after) {
    if (!changes_machine(before, after)) return;
    check_sizes(after);
    if (!may_have_vmm(before.state)) return;
    fail(Errc::conflict, "vm '{}' is {}; processors and memory change while it is stopped",
         before.name, to_string(before.state));
}

void check_disk(const VmRecord& before, const VmRecord& after) {
    if (before.disk_size == after.disk_size) return;
    if (after.disk_size < before.disk_size) {
        fail(Errc::invalid_argument, "the disk of vm '{}' has {} bytes; a disk only grows",
             before.name, before.disk_size);
    }
    check_sizes(after);
    if (!may_have_vmm(before.state) || before.state == VmState::running) return;
    fail(Errc::conflict, "vm '{}' is {}; its disk grows while it runs or is stopped", before.name,
         to_string(before.state));
}

VmRecord plan(const VmRecord& before, const api::VmChangeRequest& request) {
    auto after = before;
    if (request.name) check_vm_name(*request.name);
    after.name = request.name.value_or(before.name);
    after.vcpu = request.vcpu.value_or(before.vcpu);
    after.memory_mib = request.memory_mib.value_or(before.memory_mib);
    after.disk_size = request.disk_size.value_or(before.disk_size);
    after.publish = plan_ports(before, request);
    after.publish_all = request.publish_all.value_or(before.publish_all);
    check_machine(before, after);
    check_disk(before, after);
    if (after.disk_size > before.disk_size) after.grow_disk = true;
    return after;
}

Task<void> grow_file_system(std::shared_ptr<Run> run) {
    auto agent =
        co_await with_timeout(kAgentPatience, wait_agent(run), "its agent is not connected");
    co_await agent->grow_disk(kGrowLimit);
}

Task<void> grow_running(VmContext& context, InstancePtr vm) {
    auto place = own_disk_place(vm->record);
    auto path = disks_of(vm->record, context.directory(vm->record)).at(place).path;
    try {
        co_await vm->run->machine->grow_disk(place, std::move(path), vm->record.disk_size);
        co_await grow_file_system(vm->run);
    } catch (const Error& e) {
        throw Error(e.code(), fmt::format("the disk of vm '{}' grows when it is started again: {}",
                                          vm->record.name, e.what()));
    }
    vm->record.grow_disk = false;
    co_await context.save(*vm);
}

Task<void> change_steps(VmContext& context, InstancePtr vm, api::VmChangeRequest request) {
    auto after = plan(vm->record, request);
    if (vm->run) move_ports(*vm->run, vm->record, after);
    auto before = std::exchange(vm->record, std::move(after));
    std::exception_ptr error;
    try {
        co_await context.save(*vm);
    } catch (...) {
        error = std::current_exception();
    }
    if (error) {
        if (vm->run) take_ports_back(*vm->run, before, vm->record);
        vm->record = std::move(before);
        std::rethrow_exception(error);
    }
    if (vm->record.disk_size == before.disk_size) co_return;
    if (vm->run) co_return co_await grow_running(context, vm);
    auto directory = context.directory(vm->record);
    co_await run_blocking(context.deps.pool,
                          [&](std::stop_token) { lengthen_disk_blocking(vm->record, directory); });
}

}  // namespace

Task<void> change(VmContext& context, InstancePtr vm, api::VmChangeRequest request) {
    return shielded(change_steps(context, std::move(vm), std::move(request)));
}

}  // namespace banger::vm
