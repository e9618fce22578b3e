#pragma once

#include <memory>

#include "daemon/image/kernel_service.hpp"
#include "daemon/image/local_images.hpp"
#include "daemon/paths.hpp"

namespace banger::catalog {
class CatalogService;
}

namespace banger::kernel {

struct KernelServiceParts {
    store::Store& store;
    Paths paths;
    image::PullContext pull;
    image::RegistrySettings settings;  ///< how patiently to download
    catalog::CatalogService& catalogs;
    image::UsersOf users;
};

std::unique_ptr<KernelService> make_kernel_service(KernelServiceParts parts);

}  // namespace banger::kernel
