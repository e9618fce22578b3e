#include "daemon/backend_checks.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>

#include "pipelines/io/error.hpp"
#include "pipelines/io/subprocess.hpp"

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

}  // namespace

Task<std::vector<DoctorRow>> check_backend(const Config& config, const vm::KvmVerdict& kvm,
                                           std::string agent) {
    std::vector<DoctorRow> rows;
    rows.push_back(co_await check_qemu(config.qemu));
    rows.push_back(check_kvm(config, kvm));
    rows.push_back(check_agent(agent));
    co_return rows;
}

}  // namespace banger
