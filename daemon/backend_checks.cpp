#include "daemon/backend_checks.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>

#include "daemon/vm/disk_device.hpp"
#include "daemon/vm/firecracker_version.hpp"
#include "daemon/vm/user_network.hpp"
#include "daemon/vm/vmm_cgroup.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/find_program.hpp"
#include "pipelines/io/subprocess.hpp"
#include "pipelines/io/unique_fd.hpp"

namespace banger {
namespace {

using api::DoctorRow;

constexpr auto kVersionLimit = std::chrono::seconds(10);

Task<DoctorRow> check_qemu(std::string binary) {
    DoctorRow row{.check = "qemu", .status = "fail", .detail = ""};
    try {
        const auto result = co_await run({binary, "--version"}, kVersionLimit);
        row.detail = result.out.substr(0, result.out.find('\n'));
        if (result.status.success())
            row.status = "pass";
        else
            row.detail = binary + ": " + result.status.describe();
    } catch (const Error& error) {
        row.detail = std::string(error.what()) + "; the Debian package is qemu-system-x86";
    }
    co_return row;
}

DoctorRow check_kvm(const Config& config, const vm::KvmVerdict& kvm) {
    if (kvm.usable) return {.check = "kvm", .status = "pass", .detail = "VMs run on the hardware"};
    const bool wanted = config.accelerator != "tcg";
    return {.check = "kvm",
            .status = wanted ? "warn" : "pass",
            .detail = kvm.reason + "; VMs are emulated, which is slower"};
}

/// Only what the configuration asks for is a failure where it is missing.
Task<DoctorRow> check_firecracker(const Config& config) {
    const bool wanted = config.backend == "firecracker";
    DoctorRow row{.check = "firecracker", .status = wanted ? "fail" : "warn", .detail = ""};
    if (!find_program(config.firecracker)) {
        row.detail = fmt::format("no program '{}'; VMs run by QEMU", config.firecracker);
        co_return row;
    }
    try {
        const auto version = co_await vm::ask_firecracker_version(config.firecracker);
        row.status = "pass";
        row.detail = "Firecracker " + version.text();
    } catch (const Error& error) {
        row.detail = error.what();
    }
    co_return row;
}

DoctorRow check_network(const Config& config) {
    const auto tap = vm::find_tap_network();
    const auto socket = vm::find_socket_network();
    const bool lacking = !tap && config.backend == "firecracker";
    // QEMU cannot be told to leave the host's loopback out, as the others are.
    const std::string own =
        "its own, in which guests reach this host's loopback at 10.0.2.2 "
        "(install passt)";
    auto detail = fmt::format("Firecracker: {}; QEMU: {}",
                              tap ? tap->name : "none (install slirp4netns or passt)",
                              socket ? socket->name : own);
    return {.check = "user network",
            .status = lacking         ? "fail"
                      : tap && socket ? "pass"
                                      : "warn",
            .detail = std::move(detail)};
}

/// QEMU's networks do without; a VM of Firecracker has a tap.
DoctorRow check_tun(const Config& config) {
    const UniqueFd tun(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
    if (tun) return {.check = "tap devices", .status = "pass", .detail = "/dev/net/tun"};
    return {.check = "tap devices",
            .status = config.backend == "firecracker" ? "fail" : "warn",
            .detail = "/dev/net/tun: " + errno_text(errno) + "; VMs of Firecracker need it"};
}

DoctorRow check_agent(const std::string& path) {
    struct stat info{};
    if (::stat(path.c_str(), &info) != 0) {
        return {.check = "agent",
                .status = "fail",
                .detail = path + ": " + errno_text(errno) + "; agent_path in config.toml names it"};
    }
    return {.check = "agent",
            .status = "pass",
            .detail = fmt::format("{} ({} KiB)", path, info.st_size / 1024)};
}

DoctorRow check_limits(const LimitsConfig& config, const std::string& state) {
    const bool io = vm::limits_io(config);
    auto lack = vm::VmmCgroups::find_blocking(state, io).lack();
    if (lack.empty() && io && !vm::find_disk_blocking(state)) {
        lack = state + " lies on no disk of its own: reads and writes of VMs have no limits";
    }
    const std::string all = "memory, processes, processor time";
    return {.check = "vm limits",
            .status = lack.empty() ? "pass" : "warn",
            .detail = lack.empty() ? all + (io ? ", disk, by cgroup v2" : ", by cgroup v2") : lack};
}

}  // namespace

Task<std::vector<DoctorRow>> check_backend(const Config& config, const vm::KvmVerdict& kvm,
                                           std::string agent, std::string state) {
    std::vector<DoctorRow> rows;
    rows.push_back(co_await check_qemu(config.qemu));
    rows.push_back(co_await check_firecracker(config));
    rows.push_back(check_kvm(config, kvm));
    rows.push_back(check_network(config));
    rows.push_back(check_tun(config));
    rows.push_back(check_agent(agent));
    rows.push_back(check_limits(config.limits, state));
    co_return rows;
}

}  // namespace banger
