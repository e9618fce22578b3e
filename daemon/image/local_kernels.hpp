#pragma once

#include <memory>

#include "daemon/image/kernel_service.hpp"
#include "daemon/image/local_images.hpp"
#include "daemon/paths.hpp"

namespace banger {
class BlockingPool;
}

namespace banger::kernel {

struct KernelServiceParts {
    store::Store& store;
    Paths paths;
    BlockingPool& pool;
    image::UsersOf users;
};

std::unique_ptr<KernelService> make_kernel_service(KernelServiceParts parts);

}  // namespace banger::kernel
