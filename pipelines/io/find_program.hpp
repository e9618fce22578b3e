#pragma once

#include <optional>
#include <string>

namespace banger {

/// The path of a program: `name` itself when it has a slash, else the first of PATH that may be
/// executed. Blocks for microseconds.
std::optional<std::string> find_program(const std::string& name);

}  // namespace banger
