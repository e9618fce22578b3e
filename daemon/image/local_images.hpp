#pragma once

#include <functional>
#include <memory>

#include "daemon/image/image_service.hpp"
#include "daemon/paths.hpp"
#include "pipelines/image/pull.hpp"

namespace banger::store {
class Store;
}

namespace banger::image {

/// Names of the VMs that use an image (by id) or a kernel (by name).
using UsersOf = std::function<Task<std::vector<std::string>>(std::string)>;

struct ImageServiceParts {
    store::Store& store;
    Paths paths;
    PullContext pull;
    RegistrySettings registries;
    UsersOf users;
};

std::unique_ptr<ImageService> make_image_service(ImageServiceParts parts);

}  // namespace banger::image
