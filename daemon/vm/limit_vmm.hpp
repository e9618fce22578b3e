#pragma once

#include "daemon/vm/instance.hpp"

namespace banger::vm {

/// Holds the VMM of that VM to what it may take of the host (vmm_cgroup.hpp), where the host lets
/// us say so. One that has ended meanwhile is left alone.
Task<void> limit_vmm(VmContext& context, VmRecord record, int pid);

}  // namespace banger::vm
