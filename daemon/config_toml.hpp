#pragma once

// What reading and setting config.toml share; nobody else includes it.

#include <toml++/toml.h>

#include <string>

namespace banger {

/// Throws Error{invalid_argument} "path:line: message".
[[noreturn]] void fail_at(const std::string& path, const toml::source_region& where,
                          const std::string& message);

/// Throws Error{invalid_argument} that names the line where it is no TOML.
toml::table parse_toml(const std::string& text, const std::string& path);

/// The file's text; empty when there is none.
std::string read_if_present(const std::string& path);

}  // namespace banger
