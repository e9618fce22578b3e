#include <algorithm>
#include <iterator>
#include <memory>

#include "cli/commands.hpp"

namespace banger::cli {
namespace {

void add_shared_flags(CLI::App& app, Invocation& invocation) {
    app.add_flag("--json", invocation.json, "print JSON");
    app.add_flag("-v,--verbose", invocation.verbose, "say more on standard error");
}

}  // namespace

CLI::App* add_command(CLI::App& parent, const std::string& name, const std::string& help,
                      Invocation& invocation) {
    auto* command = parent.add_subcommand(name, help);
    add_shared_flags(*command, invocation);
    return command;
}

std::unique_ptr<CLI::App> make_parser(Invocation& invocation) {
    auto app =
        std::make_unique<CLI::App>("development sandboxes: container images as microVMs", "banger");
    app->set_version_flag("--version", "banger " BANGER_VERSION);
    app->require_subcommand(1);
    add_shared_flags(*app, invocation);
    add_vm_commands(*app, invocation);
    add_image_commands(*app, invocation);
    add_kernel_commands(*app, invocation);
    add_catalog_commands(*app, invocation);
    add_internal_commands(*app, invocation);
    add_daemon_commands(*app, invocation);
    add_operation_commands(*app, invocation);
    add_registry_commands(*app, invocation);
    add_other_commands(*app, invocation);
    return app;
}

void parse_command_line(CLI::App& parser, Invocation& invocation, std::vector<std::string> words) {
    // A remote command is nobody's to interpret, so CLI11 does not see it.
    const auto dashes = std::ranges::find(words, "--");
    if (dashes != words.end()) {
        invocation.has_command = true;
        invocation.command.assign(std::next(dashes), words.end());
        words.erase(dashes, words.end());
    }
    std::ranges::reverse(words);  // as CLI11 wants them
    parser.parse(std::move(words));
    if (!invocation.has_command) return;
    if (!invocation.takes_command) throw CLI::ExtrasError({"--"});
    if (invocation.command.empty()) {
        throw CLI::ValidationError("there is no command after '--'",
                                   CLI::ExitCodes::ValidationError);
    }
}

}  // namespace banger::cli
