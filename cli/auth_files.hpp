#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <vector>

#include "pipelines/image/registry/auth_file.hpp"

namespace banger::cli {

/// One of the files in which Docker, podman, skopeo and their kin keep the logins of this user.
struct AuthPlace {
    std::string path;
    bool is_docker = false;  ///< Docker's config.json, which calls Docker Hub by a URL

    bool exists() const;
};

/// Where logins may be, in the order in which they are looked for: $REGISTRY_AUTH_FILE; auth.json
/// of containers in the runtime directory, then in the configuration directory; Docker's
/// config.json.
std::vector<AuthPlace> auth_places();

/// The file that a new login goes to: $REGISTRY_AUTH_FILE; the first that exists; auth.json in the
/// configuration directory.
AuthPlace place_for_login();

/// Throws Error naming the file, never showing what is in it.
image::AuthFile read_auth_file(const AuthPlace& place);

/// Enters the login of `domain` in place of those it had under any spelling; an empty one (a helper
/// has it) is an entry without content, as Docker writes it. Everything else in the file stays.
/// Written atomically, for this user only.
void write_login(const AuthPlace& place, const std::string& domain,
                 const image::Credential& credential);

/// Takes the logins of `domain`, under any spelling, out; false when there was none.
bool erase_login(const AuthPlace& place, const std::string& domain);

}  // namespace banger::cli
