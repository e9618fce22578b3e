#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace banger {

/// RFC 4648, section 4, with padding.
std::string base64_encode(std::string_view bytes);
/// The inverse; nullopt for what is none. Padding may be missing, white space around it is passed
/// over.
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace banger
