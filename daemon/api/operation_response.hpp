#pragma once

#include "daemon/api/http.hpp"
#include "daemon/api/services.hpp"
#include "daemon/operations/operations.hpp"

namespace banger::api {

/// Starts `work` under the request's Idempotency-Key and answers 202 with the operation and its
/// Location.
Response start_operation(const Request& request, Services& services, std::string kind,
                         std::string target, operations::Operations::Work work);

}  // namespace banger::api
