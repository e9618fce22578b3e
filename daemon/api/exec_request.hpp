#pragma once

#include "daemon/api/http.hpp"
#include "daemon/api/types.hpp"

namespace banger::api {

/// An exec's request out of the query, with the names Kubernetes gives its parameters, and ours.
/// Throws Error{invalid_argument}.
ExecRequest exec_request_of(const Request& request);

/// Throws Error{invalid_argument} when there is no program to run.
void check_command(const ExecRequest& wanted);

}  // namespace banger::api
