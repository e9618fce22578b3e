#pragma once

#include <functional>
#include <memory>

#include "daemon/image/image_service.hpp"
#include "daemon/paths.hpp"
#include "pipelines/image/pull.hpp"

namespace banger::store {
class Store;
}
namespace banger::catalog {
class CatalogService;
}

namespace banger::image {

/// Names of the VMs that use an image (by id) or a kernel (by name).
using UsersOf = std::function<Task<std::vector<std::string>>(std::string)>;

struct ImageServiceParts {
    store::Store& store;
    Paths paths;
    PullContext pull;
    RegistrySettings registries;
    catalog::CatalogService& catalogs;
    UsersOf users;
    std::uint64_t cache_limit = 0;  ///< bytes of the blob cache that stay after a pull
};

std::unique_ptr<ImageService> make_image_service(ImageServiceParts parts);

}  // namespace banger::image
