#include "daemon/vm/limit_vmm.hpp"

#include "daemon/vm/disk_device.hpp"
#include "daemon/vm/vmm_cgroup.hpp"
#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/process_stat.hpp"

namespace banger::vm {

Task<void> limit_vmm(VmContext& context, VmRecord record, int pid) {
    const auto& config = context.deps.config.limits;
    const auto files = context.directory(record);
    co_await run_blocking(context.deps.pool, [&](std::stop_token) {
        // No group is made for nobody.
        if (!read_process_stat(pid)) return;
        limit_descriptors(pid);
        const auto groups = VmmCgroups::find_blocking(context.deps.paths.state, limits_io(config));
        groups.place_blocking(record.id, pid, limits_of(record, config, find_disk_blocking(files)));
    });
}

}  // namespace banger::vm
