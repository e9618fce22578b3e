#pragma once

#include <optional>
#include <string>

namespace banger::image {

enum class AclKind { access, default_acl };

/// The value of system.posix_acl_access or system.posix_acl_default as Linux passes it through
/// setxattr(2) (version 2, little endian), from the text of SCHILY.acl.access or
/// SCHILY.acl.default. Nullopt for an ACL that says no more than a mode does. Throws
/// Error{invalid_argument} when it is damaged or names a user or group without its number.
std::optional<std::string> posix_acl_xattr(const std::string& text, AclKind kind);

}  // namespace banger::image
