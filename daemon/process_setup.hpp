#pragma once

#include <string>

#include "daemon/paths.hpp"
#include "pipelines/io/unique_fd.hpp"

namespace banger {

/// Before anything else: files we make are ours alone, a vanished reader is an error code, and
/// there are descriptors for hundreds of clients.
void prepare_process();

/// Makes the directories the daemon keeps things in, closed to others.
void make_daemon_directories(const Paths& paths);

/// Two daemons never share a state directory, nor a runtime directory. Waits some seconds for one
/// that is stopping, then throws Error{conflict} with its pid. Held until the descriptor is closed,
/// whatever happens to the process.
UniqueFd lock_directory(const std::string& directory);

/// The guest's binary: as configured, beside our own, or in ../libexec/banger; the first of these
/// when there is none, so that messages name it.
std::string find_agent(const std::string& configured);

/// banger-vmm-launcher, in the same places.
std::string find_launcher();

}  // namespace banger
