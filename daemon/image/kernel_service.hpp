#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/api/types.hpp"
#include "pipelines/io/progress.hpp"
#include "pipelines/io/task.hpp"

namespace banger::kernel {

/// Kernels on this host: <state>/kernels/<name>/{manifest.json,vmlinux,initrd.img,modules/}.
class KernelService {
  public:
    virtual ~KernelService() = default;
    virtual Task<std::vector<api::KernelInfo>> list() = 0;
    /// Throws Error{not_found} with the nearest name.
    virtual Task<api::KernelInfo> show(std::string name) = 0;
    virtual Task<api::KernelInfo> import(api::KernelImportRequest request,
                                         ProgressSink progress) = 0;
    /// Error{conflict} naming the VMs that use it.
    virtual Task<void> remove(std::string name) = 0;
    virtual Task<void> reconcile() = 0;
};

}  // namespace banger::kernel
