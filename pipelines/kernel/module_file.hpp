#pragma once

#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace banger::kernel {

inline constexpr std::size_t kLargestModule = std::size_t{256} << 20;

/// What a module's .modinfo section says of loading it. Names have `_` for `-`.
struct ModuleInfo {
    std::string release;               ///< the kernel it was built for; empty when it does not say
    std::vector<std::string> depends;  ///< must be loaded before
    std::vector<std::string> prefers;  ///< `softdep=pre:`, should be loaded before
};

/// Visits what is below a directory; a directory that is missing is empty. Throws Error for one
/// that cannot be read: without it modules would be missing where nobody notices.
void visit_tree(const std::string& directory,
                const std::function<void(const std::filesystem::directory_entry&)>& visit);

/// The module that a file holds, "virtio_rng" for "kernel/…/virtio-rng.ko.xz"; empty for other
/// files.
std::string module_name(std::string_view path);

/// The file's path without a compression suffix: modules are stored unpacked.
std::string unpacked_path(std::string_view path);

/// Names as people and modprobe write them, made alike: `-` becomes `_`.
std::string normalize_module(std::string_view name);

/// `elf` is an unpacked module. Throws Error{invalid_argument} naming `name`.
ModuleInfo parse_module(std::string_view elf, std::string_view name);

/// The names in a modules.builtin file.
std::set<std::string> parse_builtin(std::string_view text);

}  // namespace banger::kernel
