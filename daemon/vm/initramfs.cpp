#include "daemon/vm/initramfs.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <boost/json.hpp>
#include <utility>

#include "guest/vsock-agent/protocol.hpp"
#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/kernel/kernel_import.hpp"

namespace banger::vm {

namespace {

constexpr std::size_t kLargestAgent = std::size_t{64} << 20;
constexpr std::size_t kLargestModule = std::size_t{256} << 20;
constexpr std::size_t kAlignment = 4;

/// The part that depends only on agent and kernel. `loaded` gets the names of the modules' files.
std::string make_common_archive(const InitramfsOptions& options, boost::json::array& loaded) {
    CpioArchive archive;
    // Without a console node in the archive the kernel starts PID 1 without standard streams.
    for (const auto* directory : {"/dev", "/proc", "/sys", "/run", "/banger"}) {
        archive.add_directory(directory);
    }
    archive.add_character_device("/dev/console", 5, 1);
    archive.add_file(guest::kInitPath, read_file(options.agent, kLargestAgent), 0755);
    archive.add_directory(guest::kModulesDirectory);
    for (const auto& file : kernel::load_order(options.modules_dir, options.modules)) {
        const auto name = file.substr(file.rfind('/') + 1);
        archive.add_file(fmt::format("{}/{}", guest::kModulesDirectory, name),
                         read_file(options.modules_dir + "/" + file, kLargestModule));
        loaded.emplace_back(name);
    }
    return std::move(archive).finish();
}

}  // namespace

struct CpioArchive::Entry {
    std::string_view path;
    std::uint32_t mode = 0;
    std::string_view bytes;
    std::uint32_t device_major = 0;
    std::uint32_t device_minor = 0;
};

void CpioArchive::append(const Entry& entry) {
    auto path = entry.path;
    while (path.starts_with('/'))
        path.remove_prefix(1);
    const auto pad = [this] {
        bytes_.resize((bytes_.size() + kAlignment - 1) / kAlignment * kAlignment);
    };
    // magic ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize
    // check
    fmt::format_to(
        std::back_inserter(bytes_),
        "070701{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}",
        next_inode_++, entry.mode, 0, 0, 1, 0, entry.bytes.size(), 0, 0, entry.device_major,
        entry.device_minor, path.size() + 1, 0);
    bytes_.append(path).push_back('\0');
    pad();
    bytes_.append(entry.bytes);
    pad();
}

void CpioArchive::add_directory(std::string_view path, std::uint32_t mode) {
    append({.path = path, .mode = S_IFDIR | mode});
}

void CpioArchive::add_file(std::string_view path, std::string_view bytes, std::uint32_t mode) {
    append({.path = path, .mode = S_IFREG | mode, .bytes = bytes});
}

void CpioArchive::add_character_device(std::string_view path, std::uint32_t major,
                                       std::uint32_t minor, std::uint32_t mode) {
    append({.path = path, .mode = S_IFCHR | mode, .device_major = major, .device_minor = minor});
}

std::string CpioArchive::finish() && {
    next_inode_ = 0;
    append({.path = "TRAILER!!!"});
    return std::move(bytes_);
}

void make_initramfs_blocking(const InitramfsOptions& options, const std::string& path) {
    boost::json::array loaded;
    auto bytes = make_common_archive(options, loaded);
    auto settings = options.settings;
    settings["modules"] = std::move(loaded);
    CpioArchive archive;
    archive.add_file(guest::kSettingsPath, boost::json::serialize(settings), 0600);
    bytes += std::move(archive).finish();
    write_passing_file(path, bytes, 0600);
}

}  // namespace banger::vm
