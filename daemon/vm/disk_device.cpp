#include "daemon/vm/disk_device.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <filesystem>

#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/error.hpp"

namespace banger::vm {

namespace fs = std::filesystem;

std::optional<std::string> find_disk_blocking(const std::string& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) return std::nullopt;
    return whole_disk_blocking(fmt::format("{}:{}", major(status.st_dev), minor(status.st_dev)));
}

std::optional<std::string> whole_disk_blocking(const std::string& number, const std::string& sys) {
    std::error_code error;
    // A link to the device's directory, which for a partition is one below its disk's.
    auto device = fs::canonical(sys + "/dev/block/" + number, error);
    if (error) return std::nullopt;
    if (fs::exists(device / "partition", error)) device = device.parent_path();
    try {
        auto text = read_file(device / "dev");
        return text.substr(0, text.find('\n'));
    } catch (const Error&) {
        return std::nullopt;
    }
}

}  // namespace banger::vm
