#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "cli/exec_client.hpp"

namespace banger::cli {

/// What `vm run` and `vm exec` say alike about the command.
struct ExecFlags {
    std::vector<std::string> env;
    std::string cwd;
    std::string user;
    bool tty = false;
    bool no_stdin = false;
};

void add_exec_flags(CLI::App& command, ExecFlags& flags);
/// An empty command is a login shell, on a terminal when both standard input and output are one.
ExecPlan make_exec_plan(std::string vm, const ExecFlags& flags, std::vector<std::string> command);

}  // namespace banger::cli
