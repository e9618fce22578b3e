#pragma once

#include <string>
#include <vector>

#include "daemon/api/types.hpp"

namespace banger::api {

/// What GET /metrics says, in Prometheus' text format 0.0.4: the build, VMs by state, operations by
/// kind and state, and this process as Prometheus' own client libraries describe one.
std::string metrics_text(const std::vector<VmInfo>& vms,
                         const std::vector<OperationInfo>& operations);

}  // namespace banger::api
