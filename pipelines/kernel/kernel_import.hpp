#pragma once

#include <boost/describe.hpp>
#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

namespace banger::kernel {

/// One file of an imported kernel.
struct KernelFile {
    std::string path;  ///< below the kernel's directory: "modules/6.1.0-56-cloud-amd64/kernel/…"
    std::uint64_t bytes = 0;
    std::string sha256;  ///< lower-case hex
};
BOOST_DESCRIBE_STRUCT(KernelFile, (), (path, bytes, sha256))

/// What stands in <kernels>/<name>/manifest.json beside `vmlinux`, and `initrd.img`, `modules/`
/// where the kernel has them.
struct KernelManifest {
    std::string name;
    std::string version;         ///< uname -r of the kernel: "6.1.0-56-cloud-amd64"
    std::string arch;            ///< "x86_64"
    std::string distro;          ///< may be empty
    std::string source;          ///< the directory or .deb it came from
    std::string vmlinux_sha256;  ///< lower-case hex
    std::uint64_t vmlinux_bytes = 0;
    bool has_initrd = false;
    std::uint32_t modules = 0;  ///< how many module files
    bool pvh = false;  ///< has the Xen PVH ELF note (microvm and Firecracker-like direct boot)
    std::string created_at;         ///< RFC 3339, UTC
    std::vector<KernelFile> files;  ///< everything but the manifest itself
};
BOOST_DESCRIBE_STRUCT(KernelManifest, (),
                      (name, version, arch, distro, source, vmlinux_sha256, vmlinux_bytes,
                       has_initrd, modules, pvh, created_at, files))

struct KernelImportOptions {
    std::string name;
    std::string distro;
    std::string arch = "x86_64";
    std::string source = {};  ///< what the manifest says of where it is from; empty: the path
};

/// From a directory with vmlinux (an ELF, or a bzImage named vmlinux or vmlinuz), optional
/// initrd.img, optional modules/. Writes all of it, synced, to `staging_dir`, which is made and, on
/// failure, removed. Blocks. Throws Error{invalid_argument} for a file that is no x86-64 Linux
/// kernel.
KernelManifest import_directory_blocking(const std::string& directory,
                                         const std::string& staging_dir,
                                         const KernelImportOptions& options, std::stop_token stop);

/// Where the parts of a kernel are; all but the first may be empty.
struct KernelPaths {
    std::string kernel;  ///< an ELF or a bzImage
    std::string initrd;
    std::string modules;  ///< directory
};

/// As from a directory, the parts named one by one; `source` is what the manifest calls them.
KernelManifest import_files_blocking(const KernelPaths& paths, const std::string& source,
                                     const std::string& staging_dir,
                                     const KernelImportOptions& options, std::stop_token stop);

/// From a distribution's linux-image .deb, not installed: the bzImage unpacked to vmlinux, and the
/// modules that a guest needs (guest_modules() and what they depend on) below modules/<version>/.
KernelManifest import_deb_blocking(const std::string& deb, const std::string& staging_dir,
                                   const KernelImportOptions& options, std::stop_token stop);

/// Kernel modules a guest needs where the kernel does not have them built in: virtio transports,
/// blk, net, console, rng, vsock, overlay, ext4 … by modinfo name, with `-` and `_` alike.
const std::vector<std::string>& guest_modules();

/// The devices of one VM, as far as its choice of modules goes.
struct GuestDevices {
    bool pci = false;     ///< virtio on PCI (q35); otherwise on MMIO (microvm, Firecracker)
    bool vsock = false;   ///< the agent dials by vsock; otherwise by a virtio-serial port
    bool overlay = true;  ///< the root is an overlay over a shared disk
    bool network = true;
};

/// The names of guest_modules() that such a VM needs, and no more: every module costs boot time.
std::vector<std::string> modules_for(const GuestDevices& devices);

/// Module files below `modules_dir`, relative to it, in an order in which finit_module(2) succeeds.
/// Built-in or missing names are passed over.
std::vector<std::string> load_order(const std::string& modules_dir,
                                    const std::vector<std::string>& names);

}  // namespace banger::kernel
