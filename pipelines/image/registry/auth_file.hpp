#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipelines/image/registry/credential.hpp"

namespace banger::image {

/// What Docker's config.json and containers' auth.json say about logins: the two share a format.
struct AuthFile {
    std::vector<std::pair<std::string, Credential>> logins;  ///< "auths", keys as they stand there
    std::map<std::string, std::string> helpers;              ///< "credHelpers": host to name
    std::string default_helper;                              ///< "credsStore"
};

/// Throws Error{invalid_argument}, which never shows a value. Unknown members are passed over.
AuthFile parse_auth_file(std::string_view text);

/// The names under which a login for `domain`/`path` may stand, the nearest first:
/// quay.io/a/b, quay.io/a, quay.io.
std::vector<std::string> login_names(const std::string& domain, const std::string& path);

/// A key of a file in the spelling of login_names: without scheme and /v1/, and with Docker Hub
/// called docker.io, whatever of its names it goes by.
std::string normalized_login_key(std::string_view key);

/// The login that stands nearest; nullopt when none does. An entry without content (a helper has
/// it) is none.
std::optional<Credential> find_login(const AuthFile& file, const std::vector<std::string>& names);

/// The helper for a host, and what to ask it about; nullopt when there is none.
struct HelperCall {
    std::string program;  ///< "docker-credential-pass"
    std::string server;   ///< what it knows the host by
};
/// Throws Error{invalid_argument} for a name that is no plain word.
std::optional<HelperCall> find_helper(const AuthFile& file, const std::string& domain);

/// What Docker itself calls a registry in its files: https://index.docker.io/v1/ for docker.io.
std::string docker_key(const std::string& domain);

/// A helper's answer to "get". Throws Error{invalid_argument}, which never shows a value.
Credential parse_helper_answer(std::string_view text);

}  // namespace banger::image
