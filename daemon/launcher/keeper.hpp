#pragma once

#include "daemon/launcher/launch_plan.hpp"
#include "daemon/launcher/system.hpp"

namespace banger::launcher {

/// What passes between the process that becomes the VMM and its keeper.
struct KeeperLink {
    UniqueFd vmm;  ///< pidfd of the process that becomes the VMM
    int vmm_pid = 0;
    Pipe go;     ///< to the keeper: a byte when the egress program may start
    Pipe alive;  ///< from the keeper: a byte when it stands; closed when the egress program ends
    UniqueFd socket;  ///< the egress program's end, where there is one
};

/// A process in the host's namespaces that starts the egress program, and kills it when the VMM
/// ends: neither slirp4netns nor pasta sees that by itself. Never returns.
[[noreturn]] void keep_egress(const LaunchPlan& plan, KeeperLink link);

}  // namespace banger::launcher
