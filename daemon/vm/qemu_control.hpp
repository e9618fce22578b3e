#pragma once

#include <memory>
#include <string>

#include "daemon/vm/backend.hpp"

namespace banger::vm {

/// Where the QEMU of that MachineSpec::directory listens for commands.
std::string qmp_socket(const std::string& vm_directory);

/// Speaks QMP with the QEMU of that directory, on connections made when there is something to say:
/// so nothing has to be found again after a restart of the daemon.
std::unique_ptr<MachineControl> make_qemu_control(std::string vm_directory);

}  // namespace banger::vm
