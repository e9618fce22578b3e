#pragma once

#include "daemon/vm/instance.hpp"
#include "pipelines/io/progress.hpp"

namespace banger::vm {

/// Checks a request against the limits, and fills in the defaults of the configuration and of this
/// host: name excepted, which stays empty when there is none. Throws Error{invalid_argument}.
VmRecord plan_vm(const api::VmCreateRequest& request, const Config& config);

/// Finds the kernel and what runs it, and enters both. Before the image: what cannot run should not
/// cost a pull.
Task<void> choose_kernel_and_backend(VmContext& context, VmRecord& record,
                                     const api::VmCreateRequest& request);

/// Finds the image, pulling it (with `auth`) when it is no local one, and enters it.
Task<void> choose_image(VmContext& context, VmRecord& record, std::optional<api::RegistryAuth> auth,
                        ProgressSink progress);

}  // namespace banger::vm
