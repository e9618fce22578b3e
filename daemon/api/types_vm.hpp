#pragma once

// VMs and what runs in them; see daemon/api/types.hpp.

#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/api/types_error.hpp"
#include "daemon/api/types_image.hpp"
#include "daemon/api/types_ports.hpp"

namespace banger::api {

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
        state;  ///< "created", "starting", "running", "paused", "stopping", "stopped",
                ///< "error", "deleting", or "unreadable": a record that this daemon cannot read
    std::string image;
    std::string image_digest;
    std::string kernel;
    std::uint32_t vcpu = 0;
    std::uint32_t memory_mib = 0;
    std::uint64_t disk_size = 0;
    std::string disk_mode;  ///< "overlay" or "copy"
    std::string init;       ///< asked for: "auto", "image", "banger"
    std::string address;    ///< of the host's loopback, this VM's own, for its published ports
    std::vector<PublishedPort> publish;
    bool publish_all = false;
    std::string backend;    ///< "qemu", "firecracker"
    std::string isolation;  ///< "hardware" (KVM) or "emulated" (TCG)
    std::optional<int> pid;
    std::optional<std::string> boot_id;
    std::optional<std::string> pause_reason;  ///< why a paused one is: "asked for", or in words
    std::string created_at;
    std::optional<std::string> started_at;
    std::optional<std::string> stopped_at;
    std::optional<std::string> end_reason;  ///< why the last run ended, in words
    std::optional<std::string> error;
    std::optional<BootReport> boot;
};
BOOST_DESCRIBE_STRUCT(VmInfo, (),
                      (id, name, state, image, image_digest, kernel, vcpu, memory_mib, disk_size,
                       disk_mode, init, address, publish, publish_all, backend, isolation, pid,
                       boot_id, pause_reason, created_at, started_at, stopped_at, end_reason, error,
                       boot))

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
    std::optional<std::vector<PublishedPort>> publish;
    bool publish_all = false;  ///< whatever the guest listens on, on the VM's own address
    bool start = true;
    std::optional<std::string> backend;  ///< "auto", "firecracker", "qemu"; default: configured
    bool require_kvm = false;
    bool keep_unanswered = false;     ///< keep a VM whose guest never answered, in state "error"
    std::optional<std::string> wait;  ///< "agent" (default) or "system"
    std::optional<std::uint32_t> boot_seconds;  ///< deadline for the agent; default 60
    std::optional<RegistryAuth> registry_auth;  ///< for the image's registry, when it is pulled
};
BOOST_DESCRIBE_STRUCT(VmCreateRequest, (),
                      (name, image, kernel, vcpu, memory_mib, disk_size, disk_mode, init, publish,
                       publish_all, start, backend, require_kvm, keep_unanswered, wait,
                       boot_seconds, registry_auth))

/// POST /v1/vms/{vm}/stop and /restart -> operation vm.stop, vm.restart, result VmInfo.
struct VmStopRequest {
    std::uint32_t seconds = 10;  ///< for the guest to end by itself; then the VMM is killed
};
BOOST_DESCRIBE_STRUCT(VmStopRequest, (), (seconds))

/// POST /v1/vms/{vm}/kill -> operation vm.kill, result VmInfo.
struct VmKillRequest {
    std::string signal = "KILL";  ///< what the VMM gets: "KILL", "TERM", "INT", "QUIT", "HUP"
};
BOOST_DESCRIBE_STRUCT(VmKillRequest, (), (signal))

/// PATCH /v1/vms/{vm} -> operation vm.change, result VmInfo. What is absent stays.
struct VmChangeRequest {
    std::optional<std::string> name;          ///< the guest's host name from its next start
    std::optional<std::uint32_t> vcpu;        ///< of a VM that is stopped
    std::optional<std::uint32_t> memory_mib;  ///< of a VM that is stopped
    std::optional<std::uint64_t> disk_size;   ///< more than it was
    std::optional<std::vector<PublishedPort>> publish;    ///< more ports, at once where it runs
    std::optional<std::vector<PublishedPort>> unpublish;  ///< before that; `guest` is not heeded
    std::optional<bool> publish_all;
};
BOOST_DESCRIBE_STRUCT(VmChangeRequest, (),
                      (name, vcpu, memory_mib, disk_size, publish, unpublish, publish_all))

/// GET /v1/vms/{vm}/stats: what a VM uses of the host.
struct VmStats {
    std::string id;
    std::string name;
    std::string state;
    std::uint32_t vcpu = 0;
    std::uint64_t cpu_ms = 0;  ///< processor time of its VMM since that started
    std::uint64_t memory_size = 0;
    std::uint64_t memory_used = 0;  ///< resident memory of its VMM
    std::uint64_t disk_size = 0;
    std::uint64_t disk_used = 0;  ///< what its disk occupies on the host
    /// Bytes through the guest's network cards since it started, as its agent counts them; absent
    /// when that does not say.
    std::optional<std::uint64_t> network_received;
    std::optional<std::uint64_t> network_sent;
};
BOOST_DESCRIBE_STRUCT(VmStats, (),
                      (id, name, state, vcpu, cpu_ms, memory_size, memory_used, disk_size,
                       disk_used, network_received, network_sent))

/// GET /v1/vms/{vm}/health: what the guest's agent says.
struct VmHealth {
    std::string id;
    std::string name;
    std::string state;
    bool healthy = false;  ///< the agent answered
    std::optional<std::string> boot_id;
    std::optional<std::int64_t> uptime_ms;
    std::optional<std::string> init;     ///< who is PID 1: "banger" or "image"
    std::optional<std::string> system;   ///< systemd's "running", "degraded", …; "none" without it
    std::optional<std::string> problem;  ///< why it is not healthy
};
BOOST_DESCRIBE_STRUCT(VmHealth, (),
                      (id, name, state, healthy, boot_id, uptime_ms, init, system, problem))

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

}  // namespace banger::api
