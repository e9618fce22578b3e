#include "daemon/vm/firecracker_calls.hpp"

#include <fmt/format.h>

#include "pipelines/io/error.hpp"

namespace banger::vm {
namespace {

constexpr std::size_t kLongestCommandLine = 2047;
/// The console may write this much at once, and this much a second: the guest's flood is dropped.
constexpr std::uint64_t kConsoleBytes = 1 << 20;
constexpr std::uint64_t kSecondMs = 1000;

std::string drive_id(std::size_t index) {
    return fmt::format("disk{}", index);
}

FirecrackerCall drive(std::size_t index, const Disk& disk) {
    // No disk is "the root device", which is a word of the kernel's command line: the early init
    // mounts them by their order. Writeback: the guest's flush reaches the host's disk.
    return {.path = "/drives/" + drive_id(index),
            .body = {{"drive_id", drive_id(index)},
                     {"is_root_device", false},
                     {"path_on_host", disk.path},
                     {"is_read_only", disk.read_only},
                     {"cache_type", "Writeback"}}};
}

FirecrackerCall state(const char* name) {
    return {.method = "PATCH", .path = "/vm", .body = {{"state", name}}};
}

}  // namespace

std::string firecracker_command_line(const MachineSpec& spec) {
    // reboot=k: the one way to end the VMM from inside. The i8042 words spare the guest a second of
    // probing for a keyboard that is a reset line and nothing else.
    auto line = spec.command_line +
                " reboot=k pci=off i8042.noaux i8042.nomux i8042.dumbkbd swiotlb=noforce";
    if (line.size() > kLongestCommandLine) {
        fail(Errc::invalid_argument, "the kernel's command line has {} bytes; Firecracker takes {}",
             line.size(), kLongestCommandLine);
    }
    return line;
}

std::string guest_mac(const std::string& id) {
    auto digits = id.substr(0, 10);
    digits.resize(10, '0');
    std::string mac = "06";
    for (std::size_t i = 0; i < digits.size(); i += 2)
        mac += ":" + digits.substr(i, 2);
    return mac;
}

std::vector<FirecrackerCall> firecracker_calls(const FirecrackerVersion& version,
                                               const MachineSpec& spec) {
    std::vector<FirecrackerCall> calls;
    calls.push_back(
        {.path = "/logger",
         .body = {{"log_path", spec.log_directory + "/firecracker.log"}, {"level", "Warning"}}});
    if (version >= kSerialDeviceFirecracker) {
        calls.push_back(
            {.path = "/serial",
             .body = {{"serial_out_path", spec.log_directory + "/serial.log"},
                      {"rate_limiter", {{"size", kConsoleBytes}, {"refill_time", kSecondMs}}}}});
    }
    calls.push_back({.path = "/machine-config",
                     .body = {{"vcpu_count", spec.vcpu}, {"mem_size_mib", spec.memory_mib}}});
    calls.push_back({.path = "/boot-source",
                     .body = {{"kernel_image_path", spec.kernel},
                              {"initrd_path", spec.initramfs},
                              {"boot_args", firecracker_command_line(spec)}}});
    for (std::size_t i = 0; i < spec.disks.size(); ++i)
        calls.push_back(drive(i, spec.disks[i]));
    if (spec.user_network) {
        calls.push_back({.path = "/network-interfaces/net0",
                         .body = {{"iface_id", "net0"},
                                  {"host_dev_name", kFirecrackerTap},
                                  {"guest_mac", guest_mac(spec.id)}}});
    }
    calls.push_back(
        {.path = "/vsock",
         .body = {{"guest_cid", kGuestCid}, {"uds_path", spec.directory + "/vsock.sock"}}});
    calls.push_back({.path = "/entropy", .body = {}});
    calls.push_back({.path = "/actions", .body = {{"action_type", "InstanceStart"}}});
    return calls;
}

FirecrackerCall firecracker_pause() {
    return state("Paused");
}

FirecrackerCall firecracker_resume() {
    return state("Resumed");
}

FirecrackerCall firecracker_disk_changed(std::size_t index, const std::string& path) {
    return {.method = "PATCH",
            .path = "/drives/" + drive_id(index),
            .body = {{"drive_id", drive_id(index)}, {"path_on_host", path}}};
}

}  // namespace banger::vm
