#pragma once

#include <boost/describe.hpp>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace banger::catalog {

/// Something that can be pulled by name; schema.json says what each member means.
struct Entry {
    std::string name;
    std::string distribution;
    std::string release;
    std::string arch;
    std::string version;
    std::string kind;  ///< "bundle", "oci", "deb", or what a later banger knows
    std::string url;
    std::string sha256;      ///< lower-case hex
    std::uint64_t size = 0;  ///< bytes of the file
    std::string description;
    std::string kernel_ref;
};
BOOST_DESCRIBE_STRUCT(Entry, (),
                      (name, distribution, release, arch, version, kind, url, sha256, size,
                       description, kernel_ref))

inline constexpr std::string_view kImages = "images";
inline constexpr std::string_view kKernels = "kernels";

struct Catalog {
    std::uint64_t version = 0;
    std::string type;     ///< kImages or kKernels
    std::string expires;  ///< RFC 3339
    std::vector<Entry> entries;

    bool is_expired(std::chrono::system_clock::time_point now) const;
};
BOOST_DESCRIBE_STRUCT(Catalog, (), (version, type, expires, entries))

/// The most that a catalog's file may take.
inline constexpr std::size_t kMaxCatalogBytes = std::size_t{16} << 20;

/// Members that are not known are ignored, and so are kinds: they are refused when one is asked
/// for. `what` names the catalog in messages. Throws Error{invalid_argument} for what is no JSON,
/// lacks or misspells what every catalog has, has two entries of one name and arch, or a URL that
/// check_url refuses.
Catalog parse_catalog(std::string_view text, std::string_view what);

/// Throws Error{invalid_argument} unless it is https://, file:/// with an absolute path, or http://
/// on a loopback address: elsewhere nobody could tell who answers.
void check_url(std::string_view url);

/// What comes with the program; `type` is kImages or kKernels.
const Catalog& embedded_catalog(std::string_view type);

/// The architecture whose entries are of use here, as `uname -m` says it.
inline constexpr std::string_view kHostArch = "x86_64";

}  // namespace banger::catalog
