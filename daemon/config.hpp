#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace banger {

/// config.toml; every key optional. An unknown key or a wrong type is an error naming file and line.
struct Config {
    std::string log_level = "info";         ///< BANGER_LOG_LEVEL wins
    std::string default_image;              ///< name or source: "oci:/path:tag"
    std::string default_kernel;             ///< a local kernel's name
    std::string qemu = "qemu-system-x86_64";
    std::string accelerator = "auto";       ///< "auto", "kvm", "tcg"
    std::string agent_path;                 ///< empty: beside bangerd, then ../libexec/banger
    std::vector<std::string> plain_http_registries;
    std::uint32_t vcpu = 0;                 ///< 0: host's cpus / 4, 1 to 4
    std::uint32_t memory_mib = 0;           ///< 0: host's memory / 8, 512 MiB to 8 GiB
    std::uint64_t disk_size = 8ull << 30;
    std::uint32_t boot_seconds = 60;
};

/// Defaults when there is no such file.
Config load_config(const std::string& path);

}  // namespace banger
