#pragma once

#include <boost/describe.hpp>
#include <cstdint>
#include <string>
#include <string_view>

#include "pipelines/image/pull.hpp"

namespace banger::bundle {

/// manifest.json in an image's bundle; docs/image-catalog.md describes it.
struct ImageManifest {
    std::string name;
    std::string distribution;
    std::string release;
    std::string arch;
    std::string version;
    std::string kernel_ref;
    std::string description;
    image::ImageConfig config;
};
BOOST_DESCRIBE_STRUCT(ImageManifest, (),
                      (name, distribution, release, arch, version, kernel_ref, description, config))

/// The most that a manifest.json may take.
inline constexpr std::size_t kMaxManifestBytes = std::size_t{1} << 20;

/// Unknown members are ignored. Throws Error{invalid_argument} naming `what` for one that lacks its
/// name or is for another architecture.
ImageManifest parse_manifest(std::string_view text, std::string_view what);

/// "<name>-<arch>-<first 12 hex digits>.tar.zst".
std::string bundle_file_name(const std::string& name, const std::string& arch,
                             const std::string& sha256);

}  // namespace banger::bundle
