#pragma once

#include <string>
#include <vector>

#include "daemon/api/types.hpp"
#include "daemon/config.hpp"
#include "daemon/vm/kvm_probe.hpp"
#include "pipelines/io/task.hpp"

namespace banger {

/// Doctor's rows about what runs VMs: QEMU and its version, KVM's verdict, the guest's agent.
Task<std::vector<api::DoctorRow>> check_backend(const Config& config, const vm::KvmVerdict& kvm,
                                                std::string agent);

}  // namespace banger
