#pragma once

#include <string>

#include "daemon/vm/instance.hpp"

namespace banger::vm {

/// What clients see of a VM whose record cannot be read.
api::VmInfo to_info(const std::string& id, const UnreadableVm& vm);

/// Ends a VMM that such a VM may have, and forgets the VM. Only who asks for it by force gets it:
/// the record may be a newer banger's.
Task<void> destroy_unreadable(VmContext& context, std::string id);

}  // namespace banger::vm
