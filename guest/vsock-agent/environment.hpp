#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "guest/vsock-agent/user.hpp"

namespace banger::guest {

inline constexpr char kDefaultPath[] =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The environment of a process: defaults (PATH, HOME, USER, TERM with a tty), then the image's,
/// then the request's; a later "NAME=value" replaces an earlier one, one without '=' is dropped.
std::vector<std::string> build_environment(const User& user, bool tty,
                                           const std::vector<std::string>& image,
                                           const std::vector<std::string>& request);

/// The value of a name in such a list; empty when it is missing.
std::string_view find_variable(const std::vector<std::string>& environment, std::string_view name);

/// The paths to try, in order, for a command: itself when it has a slash, else one per directory of
/// PATH.
std::vector<std::string> command_candidates(std::string_view command, std::string_view path);

}  // namespace banger::guest
