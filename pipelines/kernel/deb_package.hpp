#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

namespace banger::kernel {

/// Whether a file of the package is wanted; asked of every regular file, by its path without "./".
using DebSelect = std::function<bool(std::string_view path)>;
/// Takes a wanted file.
using DebReceive = std::function<void(std::string_view path, std::string bytes)>;

/// Streams through a Debian package (deb(5)) without installing or unpacking it; only wanted files
/// are held in memory, one at a time. Blocks. Throws Error{invalid_argument} naming the package
/// when it is none or damaged, when any path in it leaves the tree, or when something wanted is a
/// link.
void read_deb_blocking(const std::string& deb, const DebSelect& select, const DebReceive& receive,
                       const std::stop_token& stop);

}  // namespace banger::kernel
