#pragma once

#include <optional>
#include <string>

#include "cli/session.hpp"
#include "daemon/api/types.hpp"
#include "pipelines/image/registry/auth_file.hpp"
#include "pipelines/io/task.hpp"

namespace banger::cli {

/// What this user has for the registry of `reference`, from the files and helpers that Docker and
/// podman use; nullopt for nothing, and for what is no reference into a registry. A helper that
/// fails is said so on standard error and done without: most images are public.
Task<std::optional<api::RegistryAuth>> find_registry_auth(std::string reference);

/// The same, for an image that the daemon may have already; only one that it lacks is looked up.
Task<std::optional<api::RegistryAuth>> find_auth_for_missing(Session& session, std::string image);

api::RegistryAuth to_registry_auth(const image::Credential& credential);

}  // namespace banger::cli
