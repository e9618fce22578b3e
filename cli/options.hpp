#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace banger::cli {

/// An option that takes a size ("4G"; a plain number is MiB) and holds bytes. A bad one is a usage
/// error.
CLI::Option* add_size_option(CLI::App& app, const std::string& name,
                             std::optional<std::uint64_t>& bytes, const std::string& help);

/// "oci:PATH[:TAG]", "oci-archive:PATH[:TAG]" and "docker-archive:PATH[:IMAGE]" with the path made
/// absolute, for the daemon's working directory is not ours; anything else as it is, and so is "-".
std::string absolute_reference(const std::string& reference);
/// Whether the archive is to come through standard input: "-", "docker-archive:-[:IMAGE]", ….
bool means_standard_input(const std::string& reference);
std::string absolute_path(const std::string& path);

/// "NAME=value" as given; "NAME" with our value, or left out when we have none.
std::vector<std::string> resolve_env(const std::vector<std::string>& given);

}  // namespace banger::cli
