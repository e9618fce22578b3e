#pragma once

#include <string>

#include "daemon/vm/instance.hpp"

namespace banger::vm {

/// Stops the processors of a VM whose lock is held; its record says why. One that is paused stays
/// so, for its first reason. Throws Error{conflict} when it does not run. Runs to its end even when
/// the caller is cancelled.
Task<void> pause(VmContext& context, InstancePtr vm, std::string reason);

/// Lets the processors of a VM whose lock is held run again, and has the guest's clock set. For one
/// that runs it does no harm. Runs to its end.
Task<void> resume(VmContext& context, InstancePtr vm);

/// A pause that an earlier daemon wrote down, but perhaps did not come to.
Task<void> pause_again(InstancePtr vm);

}  // namespace banger::vm
