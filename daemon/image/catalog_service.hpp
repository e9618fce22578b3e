#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/types.hpp"
#include "pipelines/io/task.hpp"

namespace banger::catalog {

/// The catalogs of this host: the ones in the program, then those of config.toml, of which later
/// ones win. A copy of each is kept below <cache>/catalogs, checked again whenever it is read; the
/// highest version seen below <state>/catalogs.
class CatalogService {
  public:
    virtual ~CatalogService() = default;
    /// At start: sweeps half-written copies.
    virtual Task<void> reconcile() = 0;
    virtual Task<std::vector<api::CatalogInfo>> list() = 0;
    /// Fetches and checks the catalog first; only a good one gets into config.toml. Throws
    /// Error{already_exists}, {invalid_argument} for a name, URL or key that is none, and what
    /// refresh throws.
    virtual Task<api::CatalogInfo> add(api::CatalogAddRequest request) = 0;
    /// All of them without a name. Throws the first failure, after all were tried:
    /// Error{unauthorized} for a signature, {conflict} for an older version than one seen,
    /// {unavailable} for one that is expired or cannot be fetched.
    virtual Task<std::vector<api::CatalogInfo>> refresh(std::optional<std::string> name) = 0;
    /// Throws Error{not_found}, {invalid_argument} for one that is part of the program. What was
    /// pulled by it stays.
    virtual Task<void> remove(std::string name) = 0;
    /// What a name stands for; `type` is "images" or "kernels". Catalogs without a good copy are
    /// refreshed first. Throws Error{unavailable} when the one that has it is expired.
    virtual Task<std::optional<api::AvailableEntry>> find(std::string_view type,
                                                          std::string name) = 0;
    /// All that find would give, by name.
    virtual Task<std::vector<api::AvailableEntry>> entries(std::string_view type) = 0;
};

}  // namespace banger::catalog
