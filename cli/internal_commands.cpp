#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <memory>

#include "cli/commands.hpp"
#include "pipelines/io/error.hpp"

namespace banger::cli {
namespace {

namespace fs = std::filesystem;

/// Beside the command, or where `make install` puts it.
std::string find_program(const std::string& name) {
    const auto here = fs::read_symlink("/proc/self/exe").parent_path();
    const auto installed = here.parent_path() / "libexec/banger" / name;
    return fs::exists(here / name) ? (here / name).string() : installed.string();
}

/// It takes this process's place: its standard streams and its status are the command's.
Task<int> make_bundle(Session&, std::vector<std::string> arguments) {
    const auto program = find_program("banger-make-bundle");
    std::vector<char*> argv;
    argv.push_back(const_cast<char*>(program.c_str()));
    for (auto& argument : arguments)
        argv.push_back(argument.data());
    argv.push_back(nullptr);
    ::execv(program.c_str(), argv.data());
    fail_errno(errno, "cannot run {}", program);
    co_return 1;
}

}  // namespace

void add_internal_commands(CLI::App& app, Invocation& invocation) {
    auto* internal = app.add_subcommand("internal", "for those who publish images and kernels");
    internal->group("")->require_subcommand(1);
    auto* command = internal->add_subcommand("make-bundle", "make a bundle of a file system");
    command->prefix_command()->set_help_flag();
    command->callback([command, &invocation] {
        invocation.starts_daemon = false;
        const auto arguments = command->remaining();
        invocation.action = [arguments](Session& session) {
            return make_bundle(session, arguments);
        };
    });
}

}  // namespace banger::cli
