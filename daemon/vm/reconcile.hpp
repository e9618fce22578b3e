#pragma once

#include "daemon/vm/instance.hpp"

namespace banger::vm {

/// Reads all VMs from the store. What runs is adopted, what was half done is finished (stop,
/// remove) or taken back (create, start), and files and sockets that belong to no VM are removed. A
/// record that cannot be read is left alone and told of in the log.
Task<void> reconcile_vms(VmContext& context);

}  // namespace banger::vm
