#pragma once

#include <string>
#include <vector>

#include "daemon/api/types.hpp"
#include "daemon/config.hpp"
#include "daemon/vm/kvm_probe.hpp"
#include "pipelines/io/task.hpp"

namespace banger {

/// Doctor's rows about what runs VMs: the VMMs and their versions, KVM's verdict, what carries the
/// guests' network, the guest's agent, the limits that a VMM gets. `state` is the state directory.
Task<std::vector<api::DoctorRow>> check_backend(const Config& config, const vm::KvmVerdict& kvm,
                                                std::string agent, std::string state);

}  // namespace banger
