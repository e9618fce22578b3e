#include "cli/vm_exec.hpp"

#include <unistd.h>

#include <memory>

#include "cli/commands.hpp"
#include "cli/options.hpp"
#include "cli/terminal.hpp"

namespace banger::cli {
namespace {

/// The image's bash, or else its sh, as a login shell: the guest decides, in one round trip.
const std::vector<std::string> kShell = {
    "/bin/sh", "-c", "command -v bash >/dev/null 2>&1 && exec bash -l; exec /bin/sh -l"};

/// Without a command it is a session at a shell, which has a terminal when we have one.
bool wants_tty(const ExecFlags& flags, bool has_command) {
    if (flags.tty) return true;
    return !has_command && is_terminal(STDIN_FILENO) && is_terminal(STDOUT_FILENO);
}

struct ExecOptions {
    std::string vm;
    ExecFlags flags;
};

Task<int> exec(Session& session, ExecOptions options, std::vector<std::string> command) {
    Interrupts interrupts(session.executor);
    auto plan = make_exec_plan(options.vm, options.flags, std::move(command));
    co_return co_await exec_in_vm(session, interrupts, std::move(plan));
}

}  // namespace

void add_exec_flags(CLI::App& command, ExecFlags& flags) {
    command.add_option("-e,--env", flags.env, "NAME=value, or NAME to pass ours on")
        ->allow_extra_args(false);
    command.add_option("-w,--cwd", flags.cwd, "working directory");
    command.add_option("-u,--user", flags.user, "user, uid, user:group or uid:gid of the image");
    command.add_flag("-t,--tty", flags.tty, "give the command a terminal");
    command.add_flag("-n,--no-stdin", flags.no_stdin, "standard input from /dev/null");
}

ExecPlan make_exec_plan(std::string vm, const ExecFlags& flags, std::vector<std::string> command) {
    ExecPlan plan;
    plan.vm = std::move(vm);
    plan.tty = wants_tty(flags, !command.empty());
    plan.command = command.empty() ? kShell : std::move(command);
    plan.env = resolve_env(flags.env);
    plan.cwd = flags.cwd;
    plan.user = flags.user;
    plan.stdin = !flags.no_stdin;
    return plan;
}

void add_vm_exec(CLI::App& vm, Invocation& invocation) {
    auto options = std::make_shared<ExecOptions>();
    auto* command =
        add_command(vm, "exec", "run a command, or a shell, in a running VM", invocation);
    command->add_option("vm", options->vm, "name or id")->required();
    add_exec_flags(*command, options->flags);
    command->footer("The command follows '--': banger vm exec box -- id");
    command->callback([options, &invocation] {
        invocation.takes_command = true;
        invocation.action = [options, &invocation](Session& session) {
            return exec(session, *options, invocation.command);
        };
    });
}

}  // namespace banger::cli
