#pragma once

#include <exception>

#include "daemon/api/types.hpp"

namespace banger::operations {

/// What an exception says on the wire: an Error as it is, a cancelled await as `cancelled`, any
/// other exception by its text as `internal`.
api::ErrorBody describe_failure(const std::exception_ptr& failure);

}  // namespace banger::operations
