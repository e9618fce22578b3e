#include "daemon/vm/unreadable.hpp"

#include "daemon/vm/backends.hpp"
#include "daemon/vm/stop.hpp"
#include "pipelines/io/blocking_pool.hpp"

namespace banger::vm {

api::VmInfo to_info(const std::string& id, const UnreadableVm& vm) {
    api::VmInfo info;
    info.id = id;
    info.name = vm.name;
    info.state = "unreadable";
    info.error = vm.why;
    return info;
}

Task<void> destroy_unreadable(VmContext& context, std::string id) {
    VmRecord record;
    record.id = id;
    record.name = context.unreadable.at(id).name;
    // In this state a VMM is looked for by what it was started with.
    record.state = VmState::deleting;
    record.backend = co_await run_blocking(context.deps.pool, [&](std::stop_token) {
        return context.deps.backends.owner_blocking(context.runtime(record));
    });
    auto vm = std::make_shared<Instance>(context.deps.executor, std::move(record));
    auto held = co_await vm->lock.acquire();
    // From now on it is a VM like others, whose deletion is finished by a next daemon.
    context.unreadable.erase(id);
    context.instances[id] = vm;
    co_await destroy(context, vm);
}

}  // namespace banger::vm
