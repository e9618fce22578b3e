#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/api/types.hpp"
#include "pipelines/io/progress.hpp"
#include "pipelines/io/task.hpp"
#include "pipelines/kernel/kernel_import.hpp"

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
    /// From a catalog. Throws Error{not_found} with the nearest name, {already_exists} without
    /// `force`. The same pull asked for twice at once runs once.
    virtual Task<api::KernelInfo> pull(api::KernelPullRequest request, ProgressSink progress) = 0;
    /// The kernel of that name, pulled when it is not here.
    virtual Task<api::KernelInfo> find_or_pull(std::string name, ProgressSink progress) = 0;
    /// From an image's registration: parts named one by one.
    virtual Task<api::KernelInfo> import_files(std::string name, KernelPaths paths,
                                               ProgressSink progress) = 0;
    /// Error{conflict} naming the VMs that use it, unless forced.
    virtual Task<void> remove(std::string name, bool force) = 0;
    virtual Task<void> reconcile() = 0;
};

}  // namespace banger::kernel
