#pragma once

#include "daemon/vm/instance.hpp"

namespace banger::vm {

/// Finds the VMM of a VM without run, by its record or, when it was never written down, among the
/// processes, and watches it from now on. The VM has no VMM when it has no run after this; throws
/// when that cannot be told.
Task<void> adopt_vmm(VmContext& context, InstancePtr vm);

}  // namespace banger::vm
