#pragma once

#include <optional>
#include <string>

namespace banger::vm {

/// The disk that a file lies on, as io.max wants it: "8:0", the whole of it and not its partition.
/// Nothing where the file system has no disk of its own (tmpfs, overlayfs, btrfs), or the file is
/// not there.
std::optional<std::string> find_disk_blocking(const std::string& path);

/// The same of a device's number ("8:1"), by what sysfs says of it.
std::optional<std::string> whole_disk_blocking(const std::string& number,
                                               const std::string& sys = "/sys");

}  // namespace banger::vm
