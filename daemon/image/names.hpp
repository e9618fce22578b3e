#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace banger {

/// Names of images and kernels: letters, digits, `.`, `_`, `-`, beginning with a letter or digit,
/// at most 128. Throws Error{invalid_argument}.
void check_name(std::string_view kind, std::string_view name);

/// Throws Error{not_found}: "no image named 'x'; did you mean 'y'?".
[[noreturn]] void fail_unknown(std::string_view kind, std::string_view name,
                               const std::vector<std::string>& known);

}  // namespace banger
