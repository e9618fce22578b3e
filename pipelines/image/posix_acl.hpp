#pragma once

#include <optional>
#include <string>

struct archive_entry;

namespace banger::image {

enum class AclKind { access, default_acl };

/// The value of system.posix_acl_access or system.posix_acl_default as Linux passes it through
/// setxattr(2) (version 2, little endian), from an entry's ACL records. Nullopt when there are
/// none. Throws Error{invalid_argument} when a record names a user or group without its number.
std::optional<std::string> posix_acl_xattr(archive_entry* entry, AclKind kind);

}  // namespace banger::image
