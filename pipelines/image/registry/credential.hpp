#pragma once

#include <string>

namespace banger::image {

/// What opens one registry to one user; all empty: nothing does. It lives in memory, for as long as
/// the request it came with: never in a message, a log, a record or a file of the daemon's. That is
/// why it has no to_string and is not described.
struct Credential {
    std::string username;
    std::string password;
    std::string identity_token;  ///< is exchanged for tokens at the registry's token service
    std::string registry_token;  ///< is itself the Bearer token

    bool has_login() const { return !username.empty() || !password.empty(); }
    bool empty() const { return !has_login() && identity_token.empty() && registry_token.empty(); }
};

}  // namespace banger::image
