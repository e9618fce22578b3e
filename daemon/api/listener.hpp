#pragma once

#include <optional>
#include <string>

#include "pipelines/io/unique_fd.hpp"

namespace banger::api {

/// Makes `path`'s directory when it is missing (0700), or checks that it is ours alone, and listens
/// there with a socket of mode 0600. A socket left by a daemon that is gone is replaced; when one
/// answers, or something else is in the way, this throws Error{already_exists}.
UniqueFd listen_at(const std::string& path);

/// The listening Unix socket that systemd passed (sd_listen_fds(3)), when it did. Takes the
/// variables out of the environment, so that no child believes they are for it.
std::optional<UniqueFd> inherited_listener();

/// Makes a directory of mode 0700, or checks that it is ours and closed to others; throws
/// Error{unauthorized} when it is not.
void make_private_directory(const std::string& path);

}  // namespace banger::api
