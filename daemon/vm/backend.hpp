#pragma once

#include <csignal>
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
    std::string directory;      ///< <runtime>/vms/<id>: sockets
    std::string log_directory;  ///< serial.log and vmm.log
    std::string kernel;         ///< vmlinux
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

/// What a VMM can be told while it runs. Each has a deadline of seconds and throws Error{timed_out}
/// after it, Error{unavailable} when the VMM does not listen, or what the VMM says when it refuses.
/// One at a time: the VM's lock is held.
class MachineControl {
  public:
    virtual ~MachineControl() = default;
    /// Stops the guest's processors, until resume(). Either may be repeated.
    virtual Task<void> pause() = 0;
    virtual Task<void> resume() = 0;
    /// Makes the file of the disk that has this place in MachineSpec::disks `bytes` long, which is
    /// more than it was, and has the guest see it.
    virtual Task<void> grow_disk(std::size_t index, std::string path, std::uint64_t bytes) = 0;
};

/// A VMM that runs, or ran. Destroying it lets go: the process lives on.
class Machine : public MachineControl {
  public:
    virtual MachineHandle handle() const = 0;
    /// Waits for its end. One waiter. Empty when the process is not our child, so that nobody can
    /// tell us how it ended.
    virtual Task<std::optional<ExitStatus>> wait_end() = 0;
    /// Does nothing when it is gone.
    virtual void signal(int number) noexcept = 0;
    void kill() noexcept { signal(SIGKILL); }
};

/// A way to run virtual machines. The transport convention is that of Firecracker's hybrid vsock:
/// the guest's connection to port 1024 arrives at the Unix listener guest_socket(spec.directory),
/// which the caller has bound before launch().
class Backend {
  public:
    virtual ~Backend() = default;
    virtual std::string name() const = 0;  ///< "qemu", "firecracker"
    /// "hardware" or "emulated".
    virtual std::string isolation() const = 0;
    /// Whether a guest of that kernel finds its devices on PCI; otherwise on virtio-mmio.
    virtual bool uses_pci(bool kernel_has_pvh) const = 0;
    /// Whether the guest dials by vsock; otherwise by a virtio-serial port.
    virtual bool uses_vsock() const = 0;
    /// Starts the VMM and returns once its process runs. It outlives the daemon. An end right after
    /// that is seen by wait_end(), and described by describe_exit().
    virtual Task<std::unique_ptr<Machine>> launch(const MachineSpec& spec) = 0;
    /// The process that was launched for a VM of that directory and never written down, because the
    /// daemon died in between. Blocks for milliseconds.
    virtual std::optional<MachineHandle> find_orphan_blocking(const std::string& directory) = 0;
    /// The VMM of that handle and MachineSpec::directory, if it still lives: after a restart of the
    /// daemon.
    virtual std::unique_ptr<Machine> adopt(const MachineHandle& handle,
                                           const std::string& directory) = 0;
    /// The decoded end of a VMM: "exit status 1: <its last words in log_directory/vmm.log>".
    virtual std::string describe_exit(const std::string& log_directory,
                                      const std::optional<ExitStatus>& status) const = 0;
};

/// <directory>/vsock.sock_1024: at most 107 bytes (unix(7)).
std::string guest_socket(const std::string& vm_directory);

}  // namespace banger::vm
