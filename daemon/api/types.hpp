#pragma once

// What travels between bangerd and its clients as JSON; docs/openapi.yaml describes the same. Sizes
// are bytes unless a name says _mib; times are RFC 3339 in UTC.

#include <boost/describe.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace banger::api {

struct ErrorBody {
    std::string code;  ///< an Errc by name
    std::string message;
    std::optional<std::string> op_id;
};
BOOST_DESCRIBE_STRUCT(ErrorBody, (), (code, message, op_id))

/// GET /v1/version.
struct VersionInfo {
    std::string version;
    std::string api;  ///< the prefix of the paths: "v1"
};
BOOST_DESCRIBE_STRUCT(VersionInfo, (), (version, api))

struct DaemonInfo {
    std::string version;
    int pid = 0;
    std::string socket;
    std::string state_dir;
    std::string cache_dir;
    std::string started_at;
    std::string writer;  ///< "io_uring", or "pwrite" with the reason
    std::string default_image;
    std::string default_kernel;
    std::uint32_t vms_running = 0;
    std::uint32_t operations_running = 0;
};
BOOST_DESCRIBE_STRUCT(DaemonInfo, (),
                      (version, pid, socket, state_dir, cache_dir, started_at, writer,
                       default_image, default_kernel, vms_running, operations_running))

struct ImageInfo {
    std::string name;
    std::string id;             ///< directory below images/; follows from digest and size
    std::string reference;      ///< canonical source
    std::string digest;         ///< of the manifest
    std::string source_digest;  ///< of what the reference stood for: that manifest, or an index
    std::string arch;
    std::string rootfs_path;
    std::uint64_t size = 0;            ///< of the file system
    std::uint64_t used_bytes = 0;      ///< of it in use
    std::uint64_t download_bytes = 0;  ///< compressed
    std::uint32_t layers = 0;
    std::vector<std::string> env;
    std::vector<std::string> entrypoint;
    std::vector<std::string> cmd;
    std::string working_dir;
    std::string user;
    std::string created_at;
    std::vector<std::string> warnings;
};
BOOST_DESCRIBE_STRUCT(ImageInfo, (),
                      (name, id, reference, digest, source_digest, arch, rootfs_path, size,
                       used_bytes, download_bytes, layers, env, entrypoint, cmd, working_dir, user,
                       created_at, warnings))

/// What opens a private registry. One of the three: user name and password; an identity token,
/// which is exchanged at the registry's token service; a registry token, which is sent as it is.
/// Goes from client to daemon only, and is kept there in memory for the one pull.
struct RegistryAuth {
    std::optional<std::string> username;
    std::optional<std::string> password;
    std::optional<std::string> identity_token;
    std::optional<std::string> registry_token;
};
BOOST_DESCRIBE_STRUCT(RegistryAuth, (), (username, password, identity_token, registry_token))

/// POST /v1/registries/check -> RegistryCheck, or 403 when the registry refuses.
struct RegistryCheckRequest {
    std::string registry;  ///< host or host:port; docker.io for Docker Hub
    std::optional<RegistryAuth> registry_auth;
};
BOOST_DESCRIBE_STRUCT(RegistryCheckRequest, (), (registry, registry_auth))

struct RegistryCheck {
    std::string registry;
};
BOOST_DESCRIBE_STRUCT(RegistryCheck, (), (registry))

/// POST /v1/images -> operation image.pull, result ImageInfo.
struct ImagePullRequest {
    /// A registry reference, or, with an absolute path, oci:PATH[:TAG], oci-archive:PATH[:TAG],
    /// docker-archive:PATH[:IMAGE].
    std::string reference;
    std::optional<std::string> name;  ///< default: friendly name of the reference
    std::optional<std::uint64_t> size;
    std::optional<RegistryAuth> registry_auth;  ///< for the reference's registry
};
BOOST_DESCRIBE_STRUCT(ImagePullRequest, (), (reference, name, size, registry_auth))

/// A compressed layer that a pull has left for the next one.
struct CachedBlob {
    std::string digest;
    std::uint64_t size = 0;
    std::string used_at;              ///< by a pull, the last time
    std::vector<std::string> images;  ///< names of those that are made of it
};
BOOST_DESCRIBE_STRUCT(CachedBlob, (), (digest, size, used_at, images))

/// GET /v1/image-cache.
struct ImageCacheInfo {
    std::uint64_t bytes = 0;
    std::uint64_t limit = 0;        ///< of bytes, kept by removing what was not used for longest
    std::vector<CachedBlob> blobs;  ///< the least recently used first
};
BOOST_DESCRIBE_STRUCT(ImageCacheInfo, (), (bytes, limit, blobs))

/// POST /v1/image-cache/prune.
struct ImageCachePruneRequest {
    bool all = false;      ///< also what images are made of
    bool dry_run = false;  ///< only tell what would go
};
BOOST_DESCRIBE_STRUCT(ImageCachePruneRequest, (), (all, dry_run))

struct ImageCachePruned {
    std::uint64_t bytes = 0;
    std::vector<CachedBlob> blobs;
};
BOOST_DESCRIBE_STRUCT(ImageCachePruned, (), (bytes, blobs))

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

/// A point of the boot timeline, milliseconds since the start was asked for.
struct BootMark {
    std::string
        name;  ///< "disks", "vmm", "kernel", "init", "modules", "root", "network", "agent", "ready"
    std::int64_t ms = 0;
};
BOOST_DESCRIBE_STRUCT(BootMark, (), (name, ms))

/// What the last start did: the boot black box.
struct BootReport {
    std::vector<BootMark> timeline;
    std::string verdict;      ///< "ready", or why not, in plain words
    std::string vmm_exit;     ///< decoded end of the VMM; empty while it runs
    std::string serial_tail;  ///< last lines of the serial console, on failure
};
BOOST_DESCRIBE_STRUCT(BootReport, (), (timeline, verdict, vmm_exit, serial_tail))

struct VmInfo {
    std::string id;
    std::string name;
    std::string
        state;  ///< "created", "starting", "running", "stopping", "stopped", "error", "deleting"
    std::string image;
    std::string image_digest;
    std::string kernel;
    std::uint32_t vcpu = 0;
    std::uint32_t memory_mib = 0;
    std::uint64_t disk_size = 0;
    std::string disk_mode;  ///< "overlay" or "copy"
    std::string init;       ///< asked for: "auto", "image", "banger"
    std::string backend;    ///< "qemu", "firecracker"
    std::string isolation;  ///< "hardware" (KVM) or "emulated" (TCG)
    std::optional<int> pid;
    std::optional<std::string> boot_id;
    std::string created_at;
    std::optional<std::string> started_at;
    std::optional<std::string> error;
    std::optional<BootReport> boot;
};
BOOST_DESCRIBE_STRUCT(VmInfo, (),
                      (id, name, state, image, image_digest, kernel, vcpu, memory_mib, disk_size,
                       disk_mode, init, backend, isolation, pid, boot_id, created_at, started_at,
                       error, boot))

/// POST /v1/vms -> operation vm.create, result VmInfo. Empty image or kernel: the configured
/// default. An image that is no local name is pulled first.
struct VmCreateRequest {
    std::optional<std::string> name;  ///< DNS label; default: a generated one
    std::optional<std::string> image;
    std::optional<std::string> kernel;
    std::optional<std::uint32_t> vcpu;
    std::optional<std::uint32_t> memory_mib;
    std::optional<std::uint64_t> disk_size;
    std::optional<std::string> disk_mode;
    std::optional<std::string> init;
    bool start = true;
    bool require_kvm = false;
    std::optional<std::string> wait;            ///< "agent" (default) or "system"
    std::optional<std::uint32_t> boot_seconds;  ///< deadline for the agent; default 60
    std::optional<RegistryAuth> registry_auth;  ///< for the image's registry, when it is pulled
};
BOOST_DESCRIBE_STRUCT(VmCreateRequest, (),
                      (name, image, kernel, vcpu, memory_mib, disk_size, disk_mode, init, start,
                       require_kvm, wait, boot_seconds, registry_auth))

/// POST /v1/vms/{vm}/stop -> operation vm.stop, result VmInfo.
struct VmStopRequest {
    std::uint32_t seconds = 10;  ///< for the guest to end by itself; then the VMM is killed
};
BOOST_DESCRIBE_STRUCT(VmStopRequest, (), (seconds))

/// POST /v1/vms/{vm}/exec without upgrade (NDJSON), and, as query parameters, with it.
struct ExecRequest {
    std::vector<std::string> command;
    std::vector<std::string> env;
    std::optional<std::string> cwd;
    std::optional<std::string> user;
    bool tty = false;
    bool stdin = false;
    std::optional<std::uint16_t> width;
    std::optional<std::uint16_t> height;
    std::optional<std::string> input;  ///< NDJSON only: text for standard input
};
BOOST_DESCRIBE_STRUCT(ExecRequest, (), (command, env, cwd, user, tty, stdin, width, height, input))

/// One line of an NDJSON exec. Exactly one member is set; bytes that are no UTF-8 come as *_base64.
struct ExecLine {
    std::optional<std::string> standard_out;
    std::optional<std::string> standard_out_base64;
    std::optional<std::string> standard_error;
    std::optional<std::string> standard_error_base64;
    std::optional<int> exit_code;  ///< last line; 128+n for a signal
    std::optional<ErrorBody> error;
};
BOOST_DESCRIBE_STRUCT(ExecLine, (),
                      (standard_out, standard_out_base64, standard_error, standard_error_base64,
                       exit_code, error))

struct OperationInfo {
    std::string id;
    std::string
        kind;  ///< "image.pull", "kernel.import", "vm.create", "vm.start", "vm.stop", "vm.delete"
    std::string target;  ///< name or reference it is about
    std::string state;   ///< "running", "succeeded", "failed", "cancelled"
    std::string created_at;
    std::optional<std::string> finished_at;
    std::optional<ErrorBody> error;
    boost::json::value result;  ///< null until succeeded
};
BOOST_DESCRIBE_STRUCT(OperationInfo, (),
                      (id, kind, target, state, created_at, finished_at, error, result))

/// One server-sent event of an operation: `event: progress` with this, or `event: end` with
/// OperationInfo.
struct ProgressEvent {
    std::uint64_t seq = 0;
    std::string stage;
    std::string item;
    std::uint64_t done = 0;
    std::uint64_t total = 0;
    std::uint64_t rate = 0;  ///< bytes per second since the stage's first event
    std::string message;
    std::uint64_t busy_ms = 0;  ///< stage "profile": how long the item worked, `rate` is by this
    std::uint64_t waiting_ms = 0;
};
BOOST_DESCRIBE_STRUCT(ProgressEvent, (),
                      (seq, stage, item, done, total, rate, message, busy_ms, waiting_ms))

/// One row of GET /v1/doctor.
struct DoctorRow {
    std::string check;
    std::string status;  ///< "pass", "warn", "fail"
    std::string detail;
};
BOOST_DESCRIBE_STRUCT(DoctorRow, (), (check, status, detail))

}  // namespace banger::api
