#pragma once

#include <cstdint>
#include <string>

#include "daemon/vm/instance.hpp"
#include "pipelines/io/progress.hpp"

namespace banger::vm {

struct BootOptions {
    bool wait_system = false;    ///< until systemd says so, not only until exec works
    std::uint32_t seconds = 60;  ///< the deadline for readiness
};

/// Takes a VM whose lock is held from created, stopped or error to running, unless it is
/// interrupted (Instance::interrupts). When it throws, the VMM, its sockets and the boot's files
/// are gone; the VM is then in `error`, with the boot's report, or as before when the boot was
/// cancelled.
Task<void> boot(VmContext& context, InstancePtr vm, BootOptions options, ProgressSink progress);

}  // namespace banger::vm
