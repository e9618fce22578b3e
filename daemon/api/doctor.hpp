#pragma once

#include <vector>

#include "daemon/api/services.hpp"
#include "daemon/api/types.hpp"

namespace banger::api {

/// Looks at everything a VM needs on this host and says of each whether it is there. Changes
/// nothing.
Task<std::vector<DoctorRow>> examine(Services& services);

}  // namespace banger::api
