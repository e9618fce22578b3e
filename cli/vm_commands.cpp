#include <memory>

#include "cli/commands.hpp"
#include "cli/format.hpp"
#include "cli/operation_wait.hpp"
#include "cli/table.hpp"
#include "cli/vm_create.hpp"

namespace banger::cli {
namespace {

std::string vm_target(const std::string& vm) {
    return "/v1/vms/" + encode_segment(vm);
}

struct ListOptions {
    bool quiet = false;
    bool running_only = false;
};

std::string render_vms(const std::vector<api::VmInfo>& vms) {
    Table table(
        {"NAME", "ID", "STATE", "IMAGE", "KERNEL", "VCPU", "MEM", "DISK", "ISOLATION", "CREATED"});
    for (const auto& vm : vms) {
        table.add({vm.name, vm.id.substr(0, 12), vm.state, vm.image, vm.kernel,
                   std::to_string(vm.vcpu), format_bytes(std::uint64_t{vm.memory_mib} << 20),
                   format_bytes(vm.disk_size), vm.isolation, format_time(vm.created_at)});
    }
    return table.render();
}

Task<int> list_vms(Session& session, ListOptions options) {
    const auto answer = co_await session.client.get("/v1/vms");
    auto vms = from_json<std::vector<api::VmInfo>>(answer);
    if (options.running_only)
        std::erase_if(vms,
                      [](const auto& vm) { return vm.state != "running" && vm.state != "paused"; });
    if (session.json) {
        print_json(to_json(vms));
    } else if (options.quiet) {
        for (const auto& vm : vms)
            print(vm.id + "\n");
    } else {
        print(render_vms(vms));
    }
    co_return 0;
}

Task<int> show_vm(Session& session, std::string vm) {
    const auto answer = co_await session.client.get(vm_target(vm));
    if (session.json) {
        print_json(answer);
        co_return 0;
    }
    print(format_details(answer));
    const auto info = from_json<api::VmInfo>(answer);
    if (!info.boot) co_return 0;
    if (!info.boot->timeline.empty()) print(format_timeline(*info.boot) + "\n");
    if (!info.boot->verdict.empty()) print("verdict: " + info.boot->verdict + "\n");
    co_return 0;
}

Task<int> print_logs(Session& session, std::string vm, std::optional<std::uint64_t> bytes) {
    auto target = vm_target(vm) + "/logs";
    if (bytes) target += "?bytes=" + std::to_string(*bytes);
    auto text = co_await session.client.get_text(target);
    if (session.json) {
        const boost::json::object log{{"vm", vm}, {"log", text}};
        print_json(log);
    } else {
        print(text);
    }
    co_return 0;
}

/// What is asked of several VMs: one request each, which are all under way before the first is
/// waited for. A bad reference does not stop the others.
using Request = std::function<Task<boost::json::value>(Session&, std::string)>;

struct Batch {
    std::vector<std::string> vms;
    std::string done;  ///< "stopped"
    Request request;
};

struct Asked {
    std::string vm;
    boost::json::value answer;
    std::string error;
};

Task<Asked> ask(Session& session, Request request, std::string vm) {
    Asked asked{vm, nullptr, ""};
    try {
        asked.answer = co_await request(session, vm);
    } catch (const DaemonUnreachable&) {
        throw;
    } catch (const Error& error) {
        asked.error = error.what();
    }
    co_return asked;
}

Task<std::string> await_answer(Session& session, Interrupts& interrupts, Asked asked) {
    if (!asked.error.empty()) co_return asked.error;
    try {
        co_await finish_request(session, interrupts, asked.answer);
    } catch (const DaemonUnreachable&) {
        throw;
    } catch (const Interrupted&) {
        throw;
    } catch (const Error& error) {
        co_return error.what();
    }
    co_return "";
}

Task<int> run_batch(Session& session, Batch batch) {
    Interrupts interrupts(session.executor);
    std::vector<Asked> all;
    for (const auto& vm : batch.vms) {
        auto asked = co_await ask(session, batch.request, vm);
        all.push_back(std::move(asked));
    }
    int status = 0;
    boost::json::array results;
    for (const auto& asked : all) {
        const auto error = co_await await_answer(session, interrupts, asked);
        if (!error.empty()) {
            say("banger: " + error);
            status = kExitFailed;
        } else if (session.json) {
            results.push_back({{"vm", asked.vm}, {"result", batch.done}});
        } else {
            print(fmt::format("{} {}\n", batch.done, asked.vm));
        }
    }
    if (session.json) print_json(results);
    co_return status;
}

CLI::App* add_batch(CLI::App& parent, const std::string& name, const std::string& help,
                    const std::shared_ptr<Batch>& batch, Invocation& invocation) {
    auto* command = add_command(parent, name, help, invocation);
    command->add_option("vm", batch->vms, "names or ids")->required();
    command->callback([batch, &invocation] {
        invocation.action = [batch](Session& session) { return run_batch(session, *batch); };
    });
    return command;
}

void add_stop(CLI::App& vm, Invocation& invocation) {
    auto batch = std::make_shared<Batch>();
    auto seconds = std::make_shared<std::optional<int>>();
    batch->done = "stopped";
    batch->request = [seconds](Session& session, std::string ref) {
        boost::json::object body;
        if (*seconds) body["seconds"] = **seconds;
        return session.client.post(vm_target(ref) + "/stop", body);
    };
    auto* command = add_batch(vm, "stop", "stop VMs; their disks stay", batch, invocation);
    command->add_option("--seconds", *seconds, "time to stop in before the power is cut")
        ->check(CLI::Range(0, 3600));
}

void add_simple(CLI::App& vm, const std::string& verb, const std::string& done,
                const std::string& help, Invocation& invocation) {
    auto batch = std::make_shared<Batch>();
    batch->done = done;
    batch->request = [verb](Session& session, std::string ref) {
        return session.client.post(vm_target(ref) + "/" + verb, boost::json::object());
    };
    add_batch(vm, verb, help, batch, invocation);
}

void add_delete(CLI::App& vm, Invocation& invocation) {
    auto batch = std::make_shared<Batch>();
    auto force = std::make_shared<bool>(false);
    batch->done = "deleted";
    batch->request = [force](Session& session, std::string ref) {
        return session.client.remove(vm_target(ref) + (*force ? "?force=true" : ""));
    };
    auto* command = add_batch(vm, "delete", "delete VMs and their disks", batch, invocation);
    command->alias("rm");
    command->add_flag("-f,--force", *force, "running ones too");
}

struct CreateOptions {
    CreateFlags flags;
    bool no_start = false;
};

Task<int> create(Session& session, CreateOptions options) {
    Interrupts interrupts(session.executor);
    auto request = make_create_request(options.flags);
    request.start = !options.no_start;
    const auto vm = co_await create_vm(session, interrupts, std::move(request));
    if (session.json) {
        print_json(to_json(vm));
    } else {
        print(vm.name + "\n");
    }
    co_return 0;
}

void add_create(CLI::App& vm, Invocation& invocation) {
    auto options = std::make_shared<CreateOptions>();
    auto* command = add_command(vm, "create", "make a VM and start it", invocation);
    add_create_flags(*command, options->flags);
    command->add_flag("--no-start", options->no_start, "make it only");
    command->callback([options, &invocation] {
        invocation.action = [options](Session& session) { return create(session, *options); };
    });
}

void add_list(CLI::App& parent, const std::string& name, const std::string& help, bool running_only,
              Invocation& invocation) {
    auto options = std::make_shared<ListOptions>();
    options->running_only = running_only;
    auto* command = add_command(parent, name, help, invocation);
    if (!running_only) command->alias("ls");
    command->add_flag("-q,--quiet", options->quiet, "ids only");
    command->callback([options, &invocation] {
        invocation.action = [options](Session& session) { return list_vms(session, *options); };
    });
}

void add_show(CLI::App& vm, Invocation& invocation) {
    auto ref = std::make_shared<std::string>();
    auto* command = add_command(vm, "show", "show all about a VM", invocation);
    command->add_option("vm", *ref, "name or id")->required();
    command->callback([ref, &invocation] {
        invocation.action = [ref](Session& session) { return show_vm(session, *ref); };
    });
}

void add_logs(CLI::App& vm, Invocation& invocation) {
    auto ref = std::make_shared<std::string>();
    auto bytes = std::make_shared<std::optional<std::uint64_t>>();
    auto* command = add_command(vm, "logs", "print the end of the serial console", invocation);
    command->add_option("vm", *ref, "name or id")->required();
    command->add_option("--bytes", *bytes, "how much of it");
    command->callback([ref, bytes, &invocation] {
        invocation.action = [ref, bytes](Session& session) {
            return print_logs(session, *ref, *bytes);
        };
    });
}

}  // namespace

void add_vm_commands(CLI::App& app, Invocation& invocation) {
    auto* vm = app.add_subcommand("vm", "virtual machines");
    vm->require_subcommand(1);
    add_vm_run(*vm, invocation);
    add_create(*vm, invocation);
    add_list(*vm, "list", "list VMs", false, invocation);
    add_show(*vm, invocation);
    add_vm_exec(*vm, invocation);
    add_vm_ssh(*vm, invocation);
    add_simple(*vm, "start", "started", "start stopped VMs", invocation);
    add_simple(*vm, "pause", "paused", "stop the processors of VMs; their memory stays",
               invocation);
    add_simple(*vm, "resume", "resumed", "let paused VMs go on", invocation);
    add_stop(*vm, invocation);
    add_delete(*vm, invocation);
    add_logs(*vm, invocation);
    add_vm_ports(*vm, invocation);
    add_ssh_proxy(app, invocation);
    add_list(app, "ps", "list running VMs", true, invocation);
}

}  // namespace banger::cli
