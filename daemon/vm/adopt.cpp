#include "daemon/vm/adopt.hpp"

#include <spdlog/spdlog.h>

#include <filesystem>

#include "daemon/vm/backends.hpp"
#include "daemon/vm/ports.hpp"
#include "daemon/vm/supervise.hpp"
#include "pipelines/io/blocking_pool.hpp"

namespace banger::vm {
namespace {

Task<std::unique_ptr<Machine>> find_vmm(VmContext& context, const VmRecord& record) {
    auto& backend = context.deps.backends.of(record.backend);
    auto directory = context.runtime(record);
    if (record.pid) co_return backend.adopt({*record.pid, record.start_time}, directory);
    if (!may_have_vmm(record.state)) co_return nullptr;
    auto orphan = co_await run_blocking(context.deps.pool, [&](std::stop_token) {
        return backend.find_orphan_blocking(directory);
    });
    if (!orphan) co_return nullptr;
    co_return backend.adopt(*orphan, directory);
}

/// QEMU dials the listener each second, so it may be bound again.
std::shared_ptr<GuestLink> bind_link(VmContext& context, const VmRecord& record) {
    auto runtime = context.runtime(record);
    try {
        std::filesystem::create_directories(runtime);
        std::filesystem::permissions(runtime, std::filesystem::perms::owner_all);
        return std::make_shared<GuestLink>(context.deps.executor, guest_socket(runtime),
                                           fmt::format("the agent of vm '{}'", record.name));
    } catch (const std::exception& e) {
        spdlog::error("vm '{}' runs on, but its guest cannot be reached: {}", record.name,
                      e.what());
        return nullptr;
    }
}

}  // namespace

Task<void> adopt_vmm(VmContext& context, InstancePtr vm) {
    if (vm->run) co_return;
    auto machine = co_await find_vmm(context, vm->record);
    if (!machine) co_return;
    auto run = std::make_shared<Run>(context.deps.executor);
    run->machine = std::move(machine);
    run->link = bind_link(context, vm->record);
    vm->run = std::move(run);
    reopen_ports(context, vm, vm->run);
    follow_boot_id(vm);
    supervise(context, vm);
}

}  // namespace banger::vm
