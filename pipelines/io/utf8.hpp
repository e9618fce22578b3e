#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace banger {

/// The size of the longest prefix of whole, valid UTF-8 characters (RFC 3629: no surrogates, no
/// overlong forms).
std::size_t valid_utf8_prefix(std::string_view bytes);

/// Whether `bytes` may be the beginning of one character whose rest is still to come.
bool is_cut_character(std::string_view bytes);

/// U+FFFD for each byte that is no part of a valid character.
std::string replace_invalid_utf8(std::string text);

/// `text` fit for a terminal and for one line of a log: replace_invalid_utf8, and '?' for each
/// control character (C0, DEL, C1). What is longer than `max_bytes` ends in "…" there.
std::string printable(std::string text, std::size_t max_bytes = 1000);

/// The same for a message of several lines, of any length: line breaks and tabs stay.
std::string printable_lines(std::string text);

}  // namespace banger
