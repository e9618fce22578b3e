#include <exception>
#include <memory>
#include <optional>

#include "cli/commands.hpp"
#include "cli/format.hpp"
#include "cli/vm_create.hpp"
#include "cli/vm_exec.hpp"

namespace banger::cli {
namespace {

struct RunOptions {
    CreateFlags create;
    ExecFlags exec;
    bool rm = false;
    bool detach = false;
};

void say_timeline(const Session& session, const api::VmInfo& vm) {
    if (session.json || !vm.boot) return;  // with --json it was part of the VM
    const auto timeline = format_timeline(*vm.boot);
    if (!timeline.empty()) say(timeline);
}

void say_reminder(const std::string& vm) {
    say(fmt::format("vm '{}' keeps running", vm));
    say(fmt::format("  back:   banger vm exec {}", vm));
    say(fmt::format("  stop:   banger vm stop {}", vm));
    say(fmt::format("  delete: banger vm delete --force {}", vm));
}

/// A guest that was powered off from within ends the command without a status.
Task<void> say_what_remains(Session& session, api::VmInfo vm) {
    if (session.json) co_return;
    const auto now =
        from_json<api::VmInfo>(co_await session.client.get("/v1/vms/" + encode_segment(vm.id)));
    if (now.state == "running") {
        say_reminder(now.name);
    } else {
        say(fmt::format("vm '{}' is {}", now.name, now.state));
    }
}

Task<int> run_command(Session& session, Interrupts& interrupts, RunOptions options, api::VmInfo vm,
                      std::vector<std::string> command) {
    // By id: the name may belong to another VM by the time it is deleted.
    auto plan = make_exec_plan(vm.id, options.exec, std::move(command));
    plan.title = vm.name;
    std::exception_ptr failure;
    int status = kExitFailed;
    try {
        status = co_await exec_in_vm(session, interrupts, std::move(plan));
    } catch (const std::exception&) {
        failure = std::current_exception();
    }
    say_timeline(session, vm);
    if (options.rm) {
        co_await delete_vm(session, interrupts, vm.id);
    } else {
        co_await say_what_remains(session, vm);
    }
    if (failure) std::rethrow_exception(failure);
    co_return status;
}

Task<int> run_vm(Session& session, RunOptions options, std::vector<std::string> command) {
    Interrupts interrupts(session.executor);
    const auto vm = co_await create_vm(session, interrupts, make_create_request(options.create));
    if (!options.detach) {
        co_return co_await run_command(session, interrupts, options, vm, std::move(command));
    }
    say_timeline(session, vm);
    print(vm.name + "\n");
    co_return 0;
}

void check(const RunOptions& options, const Invocation& invocation) {
    const auto refuse = [](const char* message) {
        throw CLI::ValidationError(message, CLI::ExitCodes::ValidationError);
    };
    if (options.detach && options.rm) refuse("--detach excludes --rm");
    if (options.detach && invocation.has_command) refuse("--detach takes no command");
}

}  // namespace

void add_vm_run(CLI::App& vm, Invocation& invocation) {
    auto options = std::make_shared<RunOptions>();
    auto* command =
        add_command(vm, "run", "make a VM and run a command, or a shell, in it", invocation);
    add_create_flags(*command, options->create);
    add_exec_flags(*command, options->exec);
    command->add_flag(
        "--rm", options->rm,
        "delete the VM afterwards, whatever happened; one that never answered is kept");
    command->add_flag("-d,--detach", options->detach, "leave the VM running and print its name");
    command->footer("The command follows '--': banger vm run --rm -- cat /etc/os-release");
    command->callback([options, &invocation] {
        check(*options, invocation);
        invocation.takes_command = true;
        invocation.action = [options, &invocation](Session& session) {
            return run_vm(session, *options, invocation.command);
        };
    });
}

}  // namespace banger::cli
