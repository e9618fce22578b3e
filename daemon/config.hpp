#pragma once

#include <boost/describe.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace banger {

/// `[registry."host"]`, or `[registry."host:port"]`.
struct RegistryConfig {
    std::string ca;  ///< file of PEM certificates trusted for it; relative to config.toml
};
BOOST_DESCRIBE_STRUCT(RegistryConfig, (), (ca))

/// `[[catalogs]]`; later ones win.
struct CatalogConfig {
    std::string name;
    std::string url;                ///< https://, file://, or http:// on a loopback address
    std::vector<std::string> keys;  ///< public keys of minisign; none: it is not signed
};
BOOST_DESCRIBE_STRUCT(CatalogConfig, (), (name, url, keys))

/// `[limits]`: what each VMM may take of the host, by cgroup v2 where the daemon may set that; 0 is
/// the default.
struct LimitsConfig {
    /// Beyond its guest's memory: 256 MiB, 1.5 GiB of an emulator.
    std::uint64_t memory_overhead = 0;
    std::uint32_t threads = 0;  ///< 128, and one for each of the VM's processors
    std::uint32_t cpus = 0;     ///< processors' worth of time: one more than the VM has
    /// Of the disk that holds the VM's files, a second; by default without limit.
    std::uint64_t read_bytes = 0;
    std::uint64_t write_bytes = 0;
    std::uint32_t read_operations = 0;
    std::uint32_t write_operations = 0;
};
BOOST_DESCRIBE_STRUCT(LimitsConfig, (),
                      (memory_overhead, threads, cpus, read_bytes, write_bytes, read_operations,
                       write_operations))

/// config.toml; every key optional. An unknown key or a wrong type is an error naming file and
/// line. Sizes are text, "8GiB", or a number of MiB.
struct Config {
    std::string log_level = "info";                 ///< BANGER_LOG_LEVEL wins
    std::string default_image = "debian-bookworm";  ///< name or source: "oci:/path:tag"
    std::string default_kernel;                     ///< of images that name none
    std::string backend = "auto";                   ///< "auto", "firecracker", "qemu"
    std::string firecracker = "firecracker";
    std::string qemu = "qemu-system-x86_64";
    std::string accelerator = "auto";  ///< "auto", "kvm", "tcg"
    bool require_kvm = false;          ///< no new VM is emulated
    std::string agent_path;            ///< empty: beside bangerd, then ../libexec/banger
    std::vector<std::string> plain_http_registries;
    /// `[mirrors]`: a registry's domain to the URLs asked before it:
    /// "https://host[:port][/prefix]".
    std::map<std::string, std::vector<std::string>> mirrors;
    std::map<std::string, RegistryConfig> registry;
    std::vector<CatalogConfig> catalogs;
    std::uint32_t vcpu = 0;        ///< 0: host's cpus / 4, 1 to 4
    std::uint32_t memory_mib = 0;  ///< 0: host's memory / 8, 512 MiB to 8 GiB
    std::uint64_t disk_size = 8ull << 30;
    std::uint64_t cache_size = 20ull << 30;  ///< of downloaded layers, kept for the next pull
    std::uint64_t disk_reserve = 0;  ///< stays free on disk; 0: 1 GiB, or 5 % of a small one
    std::uint32_t boot_seconds = 60;
    LimitsConfig limits;
};
BOOST_DESCRIBE_STRUCT(Config, (),
                      (log_level, default_image, default_kernel, backend, firecracker, qemu,
                       accelerator, require_kvm, agent_path, plain_http_registries, mirrors,
                       registry, catalogs, vcpu, memory_mib, disk_size, cache_size, disk_reserve,
                       boot_seconds, limits))

/// Defaults when there is no such file.
Config load_config(const std::string& path);
/// Of the text of a file; `path` is for messages, and for what is relative to it.
Config parse_config(const std::string& text, const std::string& path);

/// Writes `key = value` into the file, which is made if need be; every other line stays as it is,
/// comments too. `value` is plain text: a number for a number, a comma-separated list for a list.
/// "limits.cpus" is a key of that table; other tables are for an editor.
/// Throws Error{invalid_argument} for a key nobody knows or a value of the wrong type.
void set_config_value(const std::string& path, const std::string& key, const std::string& value);

/// Adds a catalog at the file's end, or takes one out; every other line stays as it is.
void add_config_catalog(const std::string& path, const CatalogConfig& catalog);
void remove_config_catalog(const std::string& path, const std::string& name);

}  // namespace banger
