#pragma once

// Catalogs, and what can be pulled by name; see daemon/api/types.hpp.

#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace banger::api {

struct CatalogInfo {
    std::string name;
    std::string url;                ///< empty: part of the program
    std::vector<std::string> keys;  ///< public keys of minisign, one of which signs it
    std::string type;               ///< "images" or "kernels"; empty while nothing is known of it
    std::uint64_t version = 0;
    std::string expires;
    std::uint64_t entries = 0;
    std::string refreshed_at;  ///< empty: never
    std::string problem;       ///< why its entries are not to be had; empty when they are
};
BOOST_DESCRIBE_STRUCT(CatalogInfo, (),
                      (name, url, keys, type, version, expires, entries, refreshed_at, problem))

/// POST /v1/catalogs -> operation catalog.add, result CatalogInfo.
struct CatalogAddRequest {
    std::string name;
    std::string url;
    std::vector<std::string> keys;  ///< may be left out for file:// only
};
BOOST_DESCRIBE_STRUCT(CatalogAddRequest, (), (name, url, keys))

/// POST /v1/catalogs/refresh -> operation catalog.refresh, result: CatalogInfo of each.
struct CatalogRefreshRequest {
    std::optional<std::string> name;  ///< default: all
};
BOOST_DESCRIBE_STRUCT(CatalogRefreshRequest, (), (name))

/// GET /v1/catalog-entries: what a name stands for.
struct AvailableEntry {
    std::string name;
    std::string distribution;
    std::string release;
    std::string arch;
    std::string version;
    std::string kind;
    std::string url;
    std::string sha256;
    std::uint64_t size = 0;  ///< of the download; 0: not known
    std::string description;
    std::string kernel_ref;
    std::string catalog;  ///< the one that it comes from
};
BOOST_DESCRIBE_STRUCT(AvailableEntry, (),
                      (name, distribution, release, arch, version, kind, url, sha256, size,
                       description, kernel_ref, catalog))

/// POST /v1/kernel-pulls -> operation kernel.pull, result KernelInfo.
struct KernelPullRequest {
    std::string name;
    bool force = false;  ///< replaces the kernel of that name
};
BOOST_DESCRIBE_STRUCT(KernelPullRequest, (), (name, force))

/// POST /v1/image-registrations -> operation image.register, result ImageInfo. All paths absolute.
struct ImageRegisterRequest {
    std::string name;
    std::string rootfs;  ///< an ext4 file system, which stays where it is
    std::optional<std::string> kernel_ref;
    std::optional<std::string> kernel;  ///< imported under the image's name, instead of kernel_ref
    std::optional<std::string> initrd;
    std::optional<std::string> modules;
};
BOOST_DESCRIBE_STRUCT(ImageRegisterRequest, (), (name, rootfs, kernel_ref, kernel, initrd, modules))

}  // namespace banger::api
