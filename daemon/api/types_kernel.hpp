#pragma once

// Kernels; see daemon/api/types.hpp.

#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace banger::api {

struct KernelInfo {
    std::string name;
    std::string version;
    std::string arch;
    std::string distro;
    std::string source;
    std::string vmlinux_path;
    std::string vmlinux_sha256;
    std::uint64_t vmlinux_bytes = 0;
    bool has_initrd = false;
    std::uint32_t modules = 0;
    bool pvh = false;
    std::string created_at;
};
BOOST_DESCRIBE_STRUCT(KernelInfo, (),
                      (name, version, arch, distro, source, vmlinux_path, vmlinux_sha256,
                       vmlinux_bytes, has_initrd, modules, pvh, created_at))

/// POST /v1/kernels -> operation kernel.import, result KernelInfo. Exactly one of the two paths,
/// absolute.
struct KernelImportRequest {
    std::string name;
    std::optional<std::string> from_directory;
    std::optional<std::string> from_deb;
    std::optional<std::string> distro;
    std::optional<std::string> arch;
};
BOOST_DESCRIBE_STRUCT(KernelImportRequest, (), (name, from_directory, from_deb, distro, arch))

}  // namespace banger::api
