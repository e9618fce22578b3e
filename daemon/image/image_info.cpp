#include "daemon/image/image_info.hpp"

#include "pipelines/image/pull.hpp"
#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/json.hpp"
#include "pipelines/io/time.hpp"
#include "pipelines/io/utf8.hpp"

namespace banger::image {

api::ImageInfo describe_image(const PulledImage& pulled, const std::string& id,
                              const std::string& directory) {
    api::ImageInfo info;
    info.id = id;
    info.reference = pulled.reference;
    info.digest = pulled.digest.to_string();
    info.arch = pulled.config.architecture;
    info.rootfs_path = directory + "/rootfs.ext4";
    info.size = pulled.size;
    info.used_bytes = pulled.used_bytes;
    info.download_bytes = pulled.download_bytes;
    info.layers = pulled.layers;
    info.env = pulled.config.env;
    info.entrypoint = pulled.config.entrypoint;
    info.cmd = pulled.config.cmd;
    info.working_dir = pulled.config.working_dir;
    info.user = pulled.config.user;
    info.created_at = now_rfc3339();
    // They name files, whose names may be any bytes, and have a registry's own words.
    for (const auto& warning : pulled.warnings)
        info.warnings.push_back(printable(warning));
    return info;
}

std::optional<std::string> recorded_digest_blocking(const std::string& directory) {
    try {
        const auto path = directory + "/manifest.json";
        const auto record = parse_json(read_file(path), path);
        return std::string(record.at("digest").as_string());
    } catch (const std::exception&) {
        return std::nullopt;
    }
}

}  // namespace banger::image
