#pragma once

#include <string>
#include <vector>

#include "pipelines/io/task.hpp"

namespace banger::store {

class Store;

/// Names of the VMs whose records refer to that image id: it may not go before they do. VMs with
/// damaged records, of which that cannot be told, are among them.
Task<std::vector<std::string>> vms_using_image(Store& store, std::string image_id);

/// Names of the VMs whose records refer to that kernel, in the same way.
Task<std::vector<std::string>> vms_using_kernel(Store& store, std::string kernel);

}  // namespace banger::store
