#pragma once

#include <memory>

#include "daemon/vm/instance.hpp"

namespace banger::vm {

/// Spawns the supervisor of a VM whose run has a machine and a link: it serves the link, keeps the
/// console's file small, sees the VMM end, and settles the VM's state when nobody else does.
void supervise(VmContext& context, InstancePtr vm);

/// From now on each hello of the VM's guest tells its record the boot id.
void follow_boot_id(const InstancePtr& vm);

/// The agent of that run, waiting for one if none is connected. Throws Error{unavailable} when the
/// VMM ends first.
Task<std::shared_ptr<AgentClient>> wait_agent(std::shared_ptr<Run> run);

/// Waits until the VMM of that run is gone.
Task<void> wait_ended(std::shared_ptr<Run> run);

/// Kills the VMM of the run, if any, and waits for its end, whatever happens to the caller. Throws
/// Error{timed_out} when it cannot be killed: then nothing of the VM may be touched.
Task<void> kill_and_wait(std::shared_ptr<Run> run);

}  // namespace banger::vm
