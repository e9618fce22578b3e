#include "daemon/vm/boot_files.hpp"

#include <chrono>
#include <filesystem>

#include "daemon/image/kernel_service.hpp"
#include "daemon/vm/backends.hpp"
#include "daemon/vm/initramfs.hpp"
#include "daemon/vm/user_network.hpp"
#include "daemon/vm/vm_disks.hpp"
#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/json.hpp"
#include "pipelines/kernel/kernel_import.hpp"

namespace banger::vm {
namespace {

// console: the boot black box. panic=-1: a panic ends the VMM at once, and the console says why.
// net.ifnames=0: the network that the early init set up keeps its name.
// cryptomgr.notests: the kernel's tests of its own ciphers are a tenth of an emulated boot.
constexpr char kCommandLine[] =
    "console=ttyS0 quiet loglevel=4 panic=-1 net.ifnames=0 cryptomgr.notests=1";

void make_private_directory(const std::string& path) {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (!error) std::filesystem::permissions(path, std::filesystem::perms::owner_all, error);
    if (error) fail(errc_from_errno(error.value()), "cannot make {}: {}", path, error.message());
}

void remove_old_logs(const std::string& directory) {
    std::error_code ignored;
    for (const auto* name : {"/serial.log", "/vmm.log", "/network.log", "/firecracker.log"})
        std::filesystem::remove(directory + name, ignored);
}

std::int64_t realtime_ns() {
    auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

/// protocol.hpp, PER-VM SETTINGS.
boost::json::object guest_settings(const VmRecord& record) {
    boost::json::object network{{"address", fmt::format("{}/{}", kGuestAddress, kGuestPrefix)},
                                {"gateway", kGatewayAddress},
                                {"dns", {kNameServerAddress}}};
    return {{"hostname", record.name},       {"init", record.init},
            {"disk_mode", record.disk_mode}, {"network", std::move(network)},
            {"env", to_json(record.env)},    {"working_dir", record.working_dir},
            {"realtime_ns", realtime_ns()}};
}

InitramfsOptions initramfs_options(const VmContext& context, const VmRecord& record,
                                   const api::KernelInfo& kernel) {
    const auto& backend = context.deps.backends.of(record.backend);
    kernel::GuestDevices devices;
    devices.pci = backend.uses_pci(kernel.pvh);
    devices.vsock = backend.uses_vsock();
    devices.overlay = record.disk_mode == "overlay";
    auto modules = std::filesystem::path(kernel.vmlinux_path).parent_path() / "modules";
    return {context.deps.agent, modules, kernel::modules_for(devices), guest_settings(record)};
}

}  // namespace

Task<MachineSpec> prepare_boot(VmContext& context, const VmRecord& record) {
    auto kernel = co_await context.deps.kernels.show(record.kernel);
    MachineSpec spec;
    spec.id = record.id;
    spec.directory = context.runtime(record);
    spec.log_directory = context.directory(record);
    spec.kernel = kernel.vmlinux_path;
    spec.kernel_has_pvh = kernel.pvh;
    spec.initramfs = spec.log_directory + "/initramfs";
    spec.command_line = kCommandLine;
    spec.vcpu = record.vcpu;
    spec.memory_mib = record.memory_mib;
    spec.disks = disks_of(record, spec.log_directory);
    auto options = initramfs_options(context, record, kernel);
    co_await run_blocking(context.deps.pool, [&](std::stop_token) {
        check_free_space_blocking(spec.log_directory, 0, context.deps.config.disk_reserve);
        make_private_directory(spec.directory);
        remove_old_logs(spec.log_directory);
        if (record.grow_disk) lengthen_disk_blocking(record, spec.log_directory);
        make_initramfs_blocking(options, spec.initramfs);
    });
    co_return spec;
}

}  // namespace banger::vm
