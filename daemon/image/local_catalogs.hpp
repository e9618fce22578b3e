#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <vector>

#include "daemon/config.hpp"
#include "daemon/image/catalog_service.hpp"
#include "daemon/paths.hpp"
#include "pipelines/image/registry/registry_settings.hpp"

namespace banger {
class BlockingPool;
}

namespace banger::catalog {

struct CatalogServiceParts {
    boost::asio::any_io_executor executor;
    BlockingPool& pool;
    Paths paths;
    std::vector<CatalogConfig> catalogs;  ///< those of config.toml
    image::RegistrySettings settings;     ///< how patiently to fetch, and whom to trust
};

std::unique_ptr<CatalogService> make_catalog_service(CatalogServiceParts parts);

}  // namespace banger::catalog
