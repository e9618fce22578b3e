#include "pipelines/bundle/bundle_record.hpp"

#include "pipelines/io/error.hpp"
#include "pipelines/io/json.hpp"

namespace banger::bundle {

ImageManifest parse_manifest(std::string_view text, std::string_view what) {
    auto manifest = from_json<ImageManifest>(parse_foreign_json(text, what), what);
    if (manifest.name.empty()) fail(Errc::invalid_argument, "{} gives the image no name", what);
    if (manifest.arch != "x86_64") {
        fail(Errc::unsupported, "{} is of an image for '{}'; banger runs x86_64", what,
             manifest.arch);
    }
    return manifest;
}

std::string bundle_file_name(const std::string& name, const std::string& arch,
                             const std::string& sha256) {
    return fmt::format("{}-{}-{}.tar.zst", name, arch, sha256.substr(0, 12));
}

}  // namespace banger::bundle
