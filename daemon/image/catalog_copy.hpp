#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "catalog/catalog.hpp"
#include "daemon/config.hpp"
#include "daemon/paths.hpp"

namespace banger::catalog {

/// A catalog's file and the signature beside it, as they were fetched.
struct SignedText {
    std::string text;
    std::string signature;  ///< empty where the catalog has no keys
};

/// What this host keeps of one catalog. Blocks.
class CatalogCopy {
  public:
    CatalogCopy(const Paths& paths, CatalogConfig config);
    /// Removes what a killed daemon left half written, of all catalogs.
    static void sweep_blocking(const Paths& paths);

    const CatalogConfig& config() const { return config_; }
    /// The checks that every copy passes, fetched or kept: signature, form, no older than one seen.
    /// Throws Error{unauthorized}, {invalid_argument}, {conflict}.
    Catalog check_blocking(const SignedText& copy) const;
    /// Remembers the version for good, then keeps the copy; in this order, so that a crash forgets
    /// a copy but never a version.
    void keep_blocking(const SignedText& copy, const Catalog& catalog) const;
    /// The copy that was kept, checked; nullopt when there is none.
    std::optional<Catalog> load_blocking() const;
    /// RFC 3339; empty when there is no copy.
    std::string refreshed_at_blocking() const;
    void forget_blocking() const;

  private:
    std::uint64_t seen_blocking() const;

    CatalogConfig config_;
    std::string file_;  ///< of the copy
    std::string seen_;  ///< of the highest version
};

}  // namespace banger::catalog
