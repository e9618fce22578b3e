#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>

#include "daemon/paths.hpp"
#include "pipelines/io/error.hpp"
#include "test/support/catch.hpp"
#include "test/support/temp_dir.hpp"

namespace banger {
namespace {

/// Sets variables for one test; an empty optional unsets.
class ScopedEnv {
  public:
    void set(const std::string& name, std::optional<std::string> value) {
        const char* before = std::getenv(name.c_str());
        before_.try_emplace(name, before ? std::optional<std::string>(before) : std::nullopt);
        apply(name, value);
    }
    ~ScopedEnv() {
        for (const auto& [name, value] : before_)
            apply(name, value);
    }

  private:
    static void apply(const std::string& name, const std::optional<std::string>& value) {
        if (value) {
            ::setenv(name.c_str(), value->c_str(), 1);
        } else {
            ::unsetenv(name.c_str());
        }
    }
    std::map<std::string, std::optional<std::string>> before_;
};

TEST_CASE("paths follow the XDG variables") {
    ScopedEnv env;
    env.set("XDG_STATE_HOME", "/s");
    env.set("XDG_CACHE_HOME", "/c");
    env.set("XDG_CONFIG_HOME", "/k");
    env.set("XDG_RUNTIME_DIR", "/r");
    const auto paths = find_paths();
    CHECK(paths.state == "/s/banger");
    CHECK(paths.cache == "/c/banger");
    CHECK(paths.config_file == "/k/banger/config.toml");
    CHECK(paths.socket() == "/r/banger/bangerd.sock");
}

TEST_CASE("without XDG variables paths are below the home directory") {
    ScopedEnv env;
    for (const auto* name : {"XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"}) {
        env.set(name, std::nullopt);
    }
    env.set("HOME", "/home/somebody");
    const auto paths = find_paths();
    CHECK(paths.state == "/home/somebody/.local/state/banger");
    CHECK(paths.cache == "/home/somebody/.cache/banger");
    CHECK(paths.config_file == "/home/somebody/.config/banger/config.toml");
}

TEST_CASE("a relative XDG variable is ignored") {
    ScopedEnv env;
    env.set("HOME", "/home/somebody");
    env.set("XDG_STATE_HOME", "relative");
    CHECK(find_paths().state == "/home/somebody/.local/state/banger");
}

TEST_CASE("without HOME the home directory comes from the user database") {
    ScopedEnv env;
    env.set("HOME", std::nullopt);
    env.set("XDG_STATE_HOME", std::nullopt);
    CHECK(find_paths().state.starts_with("/"));
}

TEST_CASE("without a runtime directory the fallback names the user") {
    ScopedEnv env;
    env.set("XDG_RUNTIME_DIR", std::nullopt);
    const auto uid = std::to_string(::getuid());
    const auto runtime = find_paths().runtime;
    const bool expected =
        runtime == "/run/user/" + uid + "/banger" || runtime == "/tmp/banger-" + uid;
    CHECK(expected);
}

}  // namespace
}  // namespace banger
