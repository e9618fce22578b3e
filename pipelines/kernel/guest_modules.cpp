// Which modules a guest needs, and in which order they load.

#include <filesystem>
#include <map>
#include <set>

#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/kernel/kernel_import.hpp"
#include "pipelines/kernel/module_file.hpp"

namespace banger::kernel {

namespace {

/// The module files of one kernel by module name; knows what each needs once asked. Names come from
/// the file names, as kbuild makes them, so that only modules that are wanted are read.
class ModuleIndex {
  public:
    explicit ModuleIndex(const std::string& directory) : directory_(directory) {
        visit_tree(directory, [this](const std::filesystem::directory_entry& entry) {
            if (!entry.is_regular_file()) return;
            const auto relative = entry.path().lexically_relative(directory_).string();
            if (entry.path().filename() == "modules.builtin") {
                builtin_.merge(parse_builtin(read_file(entry.path().string())));
            } else if (auto name = module_name(relative); !name.empty()) {
                files_.emplace(std::move(name), relative);
            }
        });
    }

    /// Appends `name` behind what it needs. False when something it cannot do without is missing.
    bool append(const std::string& name, std::vector<std::string>& order) {
        if (const auto done = visited_.find(name); done != visited_.end()) return done->second;
        const auto file = files_.find(name);
        // A cycle, which no kernel has, ends here as well.
        auto& usable = visited_.emplace(name, builtin_.contains(name)).first->second;
        if (usable || file == files_.end()) return usable;
        const auto path = directory_ + "/" + file->second;
        const auto info = parse_module(read_file(path, kLargestModule), path);
        for (const auto& preferred : info.prefers)
            append(preferred, order);
        for (const auto& needed : info.depends) {
            if (!append(needed, order)) return false;
        }
        order.push_back(file->second);
        return usable = true;
    }

  private:
    std::string directory_;
    std::map<std::string, std::string> files_;
    std::set<std::string> builtin_;
    std::map<std::string, bool> visited_;
};

}  // namespace

const std::vector<std::string>& guest_modules() {
    // With what they need in today's kernels, so that one pass over a package finds all.
    // clang-format off
    static const std::vector<std::string> modules{
        "virtio", "virtio_ring", "virtio_mmio",
        "virtio_pci", "virtio_pci_modern_dev", "virtio_pci_legacy_dev",
        "virtio_blk", "virtio_console", "virtio_rng",
        "virtio_net", "failover", "net_failover",
        "vsock", "vmw_vsock_virtio_transport_common", "vmw_vsock_virtio_transport",
        "ext4", "jbd2", "mbcache", "crc16", "crc32c_generic", "overlay"};
    // clang-format on
    return modules;
}

std::vector<std::string> modules_for(const GuestDevices& devices) {
    std::vector<std::string> modules{devices.pci ? "virtio_pci" : "virtio_mmio", "virtio_blk",
                                     "ext4"};
    modules.emplace_back(devices.vsock ? "vmw_vsock_virtio_transport" : "virtio_console");
    if (devices.overlay) modules.emplace_back("overlay");
    if (devices.network) modules.emplace_back("virtio_net");
    // Last: nothing waits for it, and it may block for entropy.
    modules.emplace_back("virtio_rng");
    return modules;
}

std::vector<std::string> load_order(const std::string& modules_dir,
                                    const std::vector<std::string>& names) {
    ModuleIndex index(modules_dir);
    std::vector<std::string> order;
    for (const auto& name : names)
        index.append(normalize_module(name), order);
    return order;
}

}  // namespace banger::kernel
