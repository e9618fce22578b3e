#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace banger::kernel {

/// The plain bytes of one gzip, bzip2, xz, lzma, lz4 or zstd stream, known by its first bytes;
/// bytes in none of these formats come back unchanged. Throws Error{invalid_argument} naming `name`
/// when the stream is damaged or unpacks to more than `limit` bytes.
std::string unpack(std::string_view packed, std::string_view name, std::size_t limit);

/// "gzip", "xz" … or empty.
std::string_view compression_name(std::string_view head);

}  // namespace banger::kernel
