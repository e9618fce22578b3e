#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace banger::vm {

/// An archive in the kernel's initramfs format ("newc" cpio,
/// Documentation/driver-api/early-userspace/ buffer-format.rst), built in memory. The same calls
/// give the same bytes: no times, no owners but root.
class CpioArchive {
  public:
    /// `path` may begin with '/'; parents are not made.
    void add_directory(std::string_view path, std::uint32_t mode = 0755);
    void add_file(std::string_view path, std::string_view bytes, std::uint32_t mode = 0644);
    void add_character_device(std::string_view path, std::uint32_t major, std::uint32_t minor,
                              std::uint32_t mode = 0600);
    /// The whole archive with its trailer; another may follow it directly.
    std::string finish() &&;

  private:
    struct Entry;
    void append(const Entry& entry);
    std::string bytes_;
    std::uint32_t next_inode_ = 1;
};

struct InitramfsOptions {
    std::string agent;        ///< path of the static banger-vsock-agent
    std::string modules_dir;  ///< <kernels>/<name>/modules; may be absent when all is built in
    std::vector<std::string> modules;  ///< names to load, from kernel::modules_for()
    /// The per-VM settings of guest/vsock-agent/protocol.hpp. `modules` is filled in here: the
    /// files below guest::kModulesDirectory, in load order.
    boost::json::object settings;
};

/// Writes the initramfs of one VM to `path`, whole or not at all: the agent as /init and the
/// modules it loads, then a second, tiny archive with the settings. Not compressed: unpacking costs
/// more under emulation than reading. Blocks for a few milliseconds. Throws Error{not_found}
/// without an agent.
void make_initramfs_blocking(const InitramfsOptions& options, const std::string& path);

}  // namespace banger::vm
