#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipelines/io/subprocess.hpp"
#include "pipelines/io/task.hpp"

namespace banger::vm {

/// A disk of a VM: a raw file. The guest sees them in order as /dev/vda, /dev/vdb, …
struct Disk {
    std::string path;
    bool read_only = false;
};

/// All a VMM needs to start a guest. Paths are absolute; everything named exists.
struct MachineSpec {
    std::string id;
    std::string directory;     ///< <runtime>/vms/<id>: sockets
    std::string log_directory; ///< serial.log and vmm.log
    std::string kernel;        ///< vmlinux
    bool kernel_has_pvh = false;
    std::string initramfs;
    std::string command_line;  ///< what every backend needs; a backend adds its own words
    std::uint32_t vcpu = 1;
    std::uint32_t memory_mib = 512;
    std::vector<Disk> disks;
    bool user_network = true;
};

/// Who the VMM's process is, durably: enough to find it again after a restart of the daemon.
struct MachineHandle {
    int pid = 0;
    std::uint64_t start_time = 0;
};

/// A way to run virtual machines. The transport convention is that of Firecracker's hybrid vsock: the
/// guest's connection to port 1024 arrives at the Unix listener guest_socket(spec), which the caller
/// has bound before launch().
class Backend {
  public:
    virtual ~Backend() = default;
    virtual std::string name() const = 0;  ///< "qemu", "firecracker"
    /// "hardware" or "emulated".
    virtual std::string isolation() const = 0;
    /// Which boot-image form and modules a guest kernel needs here: "virtio_mmio" or "virtio_pci".
    virtual std::string transport() const = 0;
    /// Starts the VMM and returns once its process runs. It outlives the daemon. Throws
    /// Error{unavailable} with the VMM's own words when it exits at once.
    virtual Task<MachineHandle> launch(const MachineSpec& spec) = 0;
    /// The decoded end of a VMM that has ended: "exit status 1: <last line of vmm.log>".
    virtual std::string describe_exit(const MachineSpec& spec, const std::optional<ExitStatus>& status) = 0;
};

/// <directory>/vsock.sock_1024: at most 107 bytes (unix(7)).
std::string guest_socket(const std::string& vm_directory);

}  // namespace banger::vm
