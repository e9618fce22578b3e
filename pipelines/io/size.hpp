#pragma once

#include <cstdint>
#include <string_view>

namespace banger {

/// A size as people write it: "4G", "4GiB", "512M", "1.5T"; a plain number is MiB; "4096B" is
/// bytes. Units are powers of 1024, without regard to case. Throws Error{invalid_argument}.
std::uint64_t parse_size(std::string_view text);

}  // namespace banger
