#pragma once

#include "daemon/vm/instance.hpp"

namespace banger::vm {

/// What a VM uses of the host at this moment. Only what went through its network is the guest's
/// word, which is left out when it does not come within a second.
Task<api::VmStats> observe(VmContext& context, InstancePtr vm);

/// What the guest's agent says of it, within seconds; why not, when it says nothing.
Task<api::VmHealth> examine(InstancePtr vm);

}  // namespace banger::vm
