#pragma once

#include <string>

#include "daemon/vm/instance.hpp"

namespace banger::vm {

/// What stands on the host before the VMM starts: directories, a fresh console log, the initramfs
/// with the VM's settings; and the specification that names it all. Throws Error{not_found} when
/// the kernel or the agent is gone.
Task<MachineSpec> prepare_boot(VmContext& context, const VmRecord& record);

}  // namespace banger::vm
