#pragma once

#include <functional>
#include <string>
#include <vector>

#include "daemon/api/types.hpp"
#include "pipelines/io/task.hpp"

namespace banger {
struct Config;
struct Paths;
}  // namespace banger
namespace banger::vm {
class VmService;
}
namespace banger::image {
class ImageService;
}
namespace banger::kernel {
class KernelService;
}
namespace banger::catalog {
class CatalogService;
}
namespace banger::operations {
class Operations;
}

namespace banger::api {

/// All that handlers may use. Made once by the daemon; outlives the server.
struct Services {
    const Config& config;
    const Paths& paths;
    vm::VmService& vms;
    image::ImageService& images;
    kernel::KernelService& kernels;
    catalog::CatalogService& catalogs;
    operations::Operations& operations;
    std::string started_at;  ///< RFC 3339
    std::string writer;      ///< "io_uring", or "pwrite (reason)"
    /// Asks the daemon to end; returns at once.
    std::function<void()> request_stop;
    /// Doctor's rows about what runs VMs: the VMM, acceleration, the agent.
    std::function<Task<std::vector<DoctorRow>>()> check_backend;
};

}  // namespace banger::api
