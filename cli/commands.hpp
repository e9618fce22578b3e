#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "cli/session.hpp"
#include "pipelines/io/task.hpp"

namespace banger::cli {

using Action = std::function<Task<int>(Session&)>;

/// What a command line asks for. Filled while CLI11 parses; options live as long as the action.
struct Invocation {
    bool json = false;
    bool verbose = false;
    bool starts_daemon = true;         ///< when none answers
    bool takes_command = false;        ///< words after "--" are welcome
    bool has_command = false;          ///< there was a "--"
    std::vector<std::string> command;  ///< what followed it
    Action action;
};

/// A subcommand that does something, with the flags that all of those have.
CLI::App* add_command(CLI::App& parent, const std::string& name, const std::string& help,
                      Invocation& invocation);

void add_vm_commands(CLI::App& app, Invocation& invocation);
/// Below `banger vm`: what changes the state of VMs, and what looks at them.
void add_vm_lifecycle(CLI::App& vm, Invocation& invocation);
void add_vm_observation(CLI::App& vm, Invocation& invocation);
void add_vm_run(CLI::App& vm, Invocation& invocation);
void add_vm_exec(CLI::App& vm, Invocation& invocation);
void add_vm_ports(CLI::App& vm, Invocation& invocation);
void add_ssh_proxy(CLI::App& app, Invocation& invocation);
void add_vm_ssh(CLI::App& vm, Invocation& invocation);
void add_image_commands(CLI::App& app, Invocation& invocation);
/// Below `banger image`.
void add_image_cache_commands(CLI::App& image, Invocation& invocation);
/// Below `banger image`.
void add_image_register_commands(CLI::App& image, Invocation& invocation);
void add_catalog_commands(CLI::App& app, Invocation& invocation);
/// What can be pulled: `type` is "images" or "kernels".
Task<int> list_available(Session& session, std::string type);
void add_internal_commands(CLI::App& app, Invocation& invocation);
void add_kernel_commands(CLI::App& app, Invocation& invocation);
void add_daemon_commands(CLI::App& app, Invocation& invocation);
void add_operation_commands(CLI::App& app, Invocation& invocation);
void add_registry_commands(CLI::App& app, Invocation& invocation);
void add_other_commands(CLI::App& app, Invocation& invocation);

/// The CLI11 parser of everything, filling `invocation`.
std::unique_ptr<CLI::App> make_parser(Invocation& invocation);
/// Parses without acting; throws CLI::Error. `words` are the arguments without the program's name.
void parse_command_line(CLI::App& parser, Invocation& invocation, std::vector<std::string> words);

}  // namespace banger::cli
