#pragma once

#include <optional>
#include <string>

#include "pipelines/image/registry/auth_file.hpp"
#include "pipelines/io/task.hpp"

namespace banger::cli {

// Programs called docker-credential-NAME keep logins in a key ring. They run as this user, without
// a shell, for at most 30 s, and may print at most 64 KiB. What they print is never shown, except
// the text by which one of them says no. Each throws Error naming the program.

/// The login of `call.server`; nullopt when the helper has none.
Task<std::optional<image::Credential>> ask_helper(image::HelperCall call);
Task<void> store_with_helper(image::HelperCall call, image::Credential credential);
/// False when there was none.
Task<bool> erase_with_helper(image::HelperCall call);

}  // namespace banger::cli
