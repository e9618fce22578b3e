#pragma once

#include "daemon/vm/instance.hpp"

namespace banger::vm {

/// Changes a VM whose lock is held; all of it is checked before anything is done. Processors and
/// memory change while it is stopped. A disk only grows: of a stopped VM at once, its file system
/// being grown by the guest when it starts; of a running one both at once. Published ports are
/// opened and closed at once where it runs, and from now on at each start. A new name is the
/// guest's host name from its next start. Throws Error{invalid_argument}, {conflict} with the
/// reason, {already_exists} for a taken name or port, or {not_found} for a port that is not
/// published.
Task<void> change(VmContext& context, InstancePtr vm, api::VmChangeRequest request);

}  // namespace banger::vm
