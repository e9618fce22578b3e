#pragma once

#include "daemon/vm/instance.hpp"
#include "pipelines/io/progress.hpp"

namespace banger::vm {

/// Takes a VM whose lock is held from running (or stopping) to stopped: its agent syncs and powers
/// off; a VMM that is there after `seconds` is killed. Runs to its end even when the caller is
/// cancelled: a guest half shut down is of no use.
Task<void> stop(VmContext& context, InstancePtr vm, int seconds, ProgressSink progress);

/// Sends a signal to the VMM of a VM whose lock is held, and takes the VM to stopped when that has
/// ended. Throws Error{timed_out} for one that heeds it not, which then runs on. Runs to its end.
Task<void> kill(VmContext& context, InstancePtr vm, int signal);

/// Ends the VMM of a VM whose lock is held, without asking the guest, and forgets the VM. Runs to
/// its end.
Task<void> destroy(VmContext& context, InstancePtr vm);

}  // namespace banger::vm
