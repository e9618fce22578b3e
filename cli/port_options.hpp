#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "daemon/api/types.hpp"

namespace banger::cli {

/// How the published ports of a VM are to change, as it was typed.
struct PortOptions {
    std::vector<std::string> publish;
    std::vector<std::string> unpublish;
    bool all = false;
    bool not_all = false;

    bool changes() const { return !publish.empty() || !unpublish.empty() || all || not_all; }
};

/// --publish, --unpublish, --publish-all and --no-publish-all.
void add_port_options(CLI::App& command, PortOptions& options);

/// Adds them to a request. Throws Error{invalid_argument} for what is no port.
void add_ports(api::VmChangeRequest& request, const PortOptions& options);

}  // namespace banger::cli
