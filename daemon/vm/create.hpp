#pragma once

#include "daemon/vm/instance.hpp"
#include "pipelines/io/progress.hpp"

namespace banger::vm {

/// Checks a request against the limits, and fills in the defaults of the configuration and of this
/// host: name excepted, which stays empty when there is none. Throws Error{invalid_argument}.
VmRecord plan_vm(const api::VmCreateRequest& request, const Config& config);

/// Whether this host can run a VM of that size. Throws Error{invalid_argument}.
void check_sizes(const VmRecord& record);

/// Finds the image, the kernel and what runs it, pulling (with the request's registry_auth, which
/// is taken out of it) what is not here, and enters them. The kernel is the one asked for, else the
/// one that the image names, else the default. One that was asked for comes first: what cannot run
/// should not cost an image's pull.
Task<void> choose_parts(VmContext& context, VmRecord& record, api::VmCreateRequest& request,
                        ProgressSink progress);

}  // namespace banger::vm
