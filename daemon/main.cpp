#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "daemon/api/version.hpp"
#include "daemon/daemon.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/log.hpp"

int main(int argc, char** argv) {
    CLI::App app(
        "bangerd keeps banger's images, kernels and VMs, and serves them at a Unix socket");
    std::string config_file;
    app.set_version_flag("--version", fmt::format("bangerd {}", banger::api::version()));
    app.add_option("--config", config_file, "read this file, not ~/.config/banger/config.toml");
    CLI11_PARSE(app, argc, argv);
    try {
        auto paths = banger::find_paths();
        if (!config_file.empty()) paths.config_file = config_file;
        const auto config = banger::load_config(paths.config_file);
        const char* level = std::getenv("BANGER_LOG_LEVEL");
        banger::setup_logging(level != nullptr ? level : config.log_level);
        return banger::run_daemon(config, paths);
    } catch (const std::exception& error) {
        fmt::print(stderr, "bangerd: {}\n", error.what());
        return 1;
    }
}
