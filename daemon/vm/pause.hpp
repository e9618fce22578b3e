#pragma once

#include <string>

#include "daemon/vm/instance.hpp"

namespace banger::vm {

/// The disk watch's reason. There may be no room to write it down: the VM is paused all the same.
inline constexpr char kDiskIsFull[] = "the host's disk is full";

/// Stops the processors of a VM whose lock is held; its record says why. One that is paused stays
/// so, for this reason from now on. Throws Error{conflict} when it does not run. Runs to its end
/// even when the caller is cancelled.
Task<void> pause(VmContext& context, InstancePtr vm, std::string reason);

/// Lets the processors of a VM whose lock is held run again, and has the guest's clock set. For one
/// that runs it does no harm. Runs to its end.
Task<void> resume(VmContext& context, InstancePtr vm);

/// A pause that an earlier daemon wrote down, but perhaps did not come to.
Task<void> pause_again(InstancePtr vm);

}  // namespace banger::vm
