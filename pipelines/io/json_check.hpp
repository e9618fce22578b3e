#pragma once

#include <cstddef>
#include <string_view>

namespace banger {

/// Of one document that comes from elsewhere. A value takes 24 bytes of a tree and two of text.
inline constexpr std::size_t kMaxForeignValues = 200'000;

/// Throws Error{invalid_argument} naming `what` when a JSON text has more than kMaxForeignValues
/// values and keys, or an object that has a key twice, of which readers take the one or the other
/// (RFC 8259, section 4). Syntax is left to the parser.
void check_foreign_json(std::string_view text, std::string_view what);

}  // namespace banger
