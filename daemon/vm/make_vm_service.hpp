#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <string>

#include "daemon/config.hpp"
#include "daemon/paths.hpp"
#include "daemon/vm/vm_service.hpp"

namespace banger {
class BlockingPool;
}
namespace banger::store {
class Store;
}
namespace banger::image {
class ImageService;
}
namespace banger::kernel {
class KernelService;
}

namespace banger::vm {

class Backends;

/// What a VmService works with; all of it outlives the service.
struct VmDependencies {
    boost::asio::any_io_executor executor;
    BlockingPool& pool;
    store::Store& store;
    image::ImageService& images;
    kernel::KernelService& kernels;
    Backends& backends;
    Paths paths;
    Config config;
    std::string agent;  ///< path of the static banger-vsock-agent
};

/// Await reconcile() before anything else, and close() before destruction.
std::unique_ptr<VmService> make_vm_service(VmDependencies dependencies);

}  // namespace banger::vm
