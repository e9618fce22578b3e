#include "daemon/paths.hpp"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "pipelines/io/error.hpp"

namespace banger {
namespace {

/// An absolute path from the environment; the specification says that relative ones are ignored.
std::string directory_from_env(const char* name) {
    const char* value = std::getenv(name);
    return value && value[0] == '/' ? value : "";
}

std::string find_home() {
    auto home = directory_from_env("HOME");
    if (!home.empty()) return home;
    const auto* user = ::getpwuid(::getuid());
    if (!user || !user->pw_dir || user->pw_dir[0] != '/') {
        fail(Errc::not_found, "no home directory for user {}; set HOME", ::getuid());
    }
    return user->pw_dir;
}

std::string base_directory(const char* variable, const std::string& fallback) {
    const auto value = directory_from_env(variable);
    return value.empty() ? find_home() + fallback : value;
}

bool is_our_directory(const std::string& path) {
    struct stat status{};
    return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode) &&
           status.st_uid == ::getuid();
}

/// Anybody can make a name in /tmp: a directory that is not ours alone is an error, not a fallback.
void require_private_if_present(const std::string& path) {
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0) return;
    if (!S_ISDIR(status.st_mode) || status.st_uid != ::getuid() || (status.st_mode & 077) != 0) {
        fail(Errc::unauthorized,
             "{} is not a directory that is ours alone (mode 0700); remove it or set "
             "XDG_RUNTIME_DIR",
             path);
    }
}

std::string find_runtime() {
    const auto given = directory_from_env("XDG_RUNTIME_DIR");
    if (!given.empty()) return given + "/banger";
    const auto uid = std::to_string(::getuid());
    const auto of_login = "/run/user/" + uid;
    if (is_our_directory(of_login)) return of_login + "/banger";
    auto fallback = "/tmp/banger-" + uid;
    require_private_if_present(fallback);
    return fallback;
}

}  // namespace

Paths find_paths() {
    Paths paths;
    paths.state = base_directory("XDG_STATE_HOME", "/.local/state") + "/banger";
    paths.cache = base_directory("XDG_CACHE_HOME", "/.cache") + "/banger";
    paths.config_file = base_directory("XDG_CONFIG_HOME", "/.config") + "/banger/config.toml";
    paths.runtime = find_runtime();
    return paths;
}

}  // namespace banger
