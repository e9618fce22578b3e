#include <unistd.h>

#include <iostream>
#include <memory>

#include "cli/commands.hpp"
#include "cli/options.hpp"
#include "cli/port_options.hpp"
#include "cli/terminal.hpp"
#include "cli/vm_batch.hpp"

namespace banger::cli {
namespace {

void add_simple(CLI::App& vm, const std::string& verb, const std::string& done,
                const std::string& help, Invocation& invocation) {
    auto batch = std::make_shared<VmBatch>();
    batch->done = done;
    batch->request = [verb](Session& session, std::string id) {
        return session.client.post(vm_target(id, "/" + verb), boost::json::object());
    };
    add_vm_batch(vm, verb, help, batch, invocation);
}

/// stop and restart, which both give the guest its time.
void add_stopping(CLI::App& vm, const std::string& verb, const std::string& done,
                  const std::string& help, Invocation& invocation) {
    auto batch = std::make_shared<VmBatch>();
    auto seconds = std::make_shared<std::optional<int>>();
    batch->done = done;
    batch->request = [verb, seconds](Session& session, std::string id) {
        boost::json::object body;
        if (*seconds) body["seconds"] = **seconds;
        return session.client.post(vm_target(id, "/" + verb), body);
    };
    add_vm_batch(vm, verb, help, batch, invocation)
        ->add_option("--seconds", *seconds, "time to stop in before the power is cut; default 10")
        ->check(CLI::Range(0, 3600));
}

void add_kill(CLI::App& vm, Invocation& invocation) {
    auto batch = std::make_shared<VmBatch>();
    auto signal = std::make_shared<std::string>("KILL");
    batch->done = "killed";
    batch->request = [signal](Session& session, std::string id) {
        return session.client.post(vm_target(id, "/kill"),
                                   boost::json::object{{"signal", *signal}});
    };
    add_vm_batch(vm, "kill", "end VMs at once, without asking the guest", batch, invocation)
        ->add_option("-s,--signal", *signal, "what the VMM gets: KILL, TERM, INT, QUIT or HUP");
}

Task<boost::json::value> remove(Session& session, std::string id, bool force) {
    return session.client.remove(vm_target(id, force ? "?force=true" : ""));
}

void add_delete(CLI::App& vm, Invocation& invocation) {
    auto batch = std::make_shared<VmBatch>();
    auto force = std::make_shared<bool>(false);
    batch->done = "deleted";
    batch->request = [force](Session& session, std::string id) {
        return remove(session, std::move(id), *force);
    };
    auto* command = add_vm_batch(vm, "delete", "delete VMs and their disks", batch, invocation);
    command->alias("rm");
    command->add_flag("-f,--force", *force, "running ones too");
}

bool is_idle(const api::VmInfo& vm) {
    return vm.state == "created" || vm.state == "stopped" || vm.state == "error";
}

bool confirm(const std::vector<VmTarget>& targets) {
    say(fmt::format("{} VMs and their disks would be deleted:", targets.size()));
    for (const auto& target : targets)
        say("  " + target.name);
    if (!is_terminal(STDIN_FILENO)) {
        fail(Errc::invalid_argument, "nobody to ask whether to delete them; use --force");
    }
    std::fputs("delete them? [y/N] ", stderr);
    std::string answer;
    std::getline(std::cin, answer);
    return answer == "y" || answer == "Y" || answer == "yes";
}

Task<int> prune(Session& session, bool force) {
    const auto list = co_await session.client.get("/v1/vms");
    std::vector<VmTarget> targets;
    for (const auto& vm : from_json<std::vector<api::VmInfo>>(list)) {
        if (is_idle(vm)) targets.push_back({vm.name, vm.id, vm.name, ""});
    }
    if (!targets.empty() && !force && !confirm(targets)) co_return kExitFailed;
    // Not by force: one that was started meanwhile stays.
    const auto answers = co_await ask_vms(
        session, std::move(targets),
        [](Session& own, std::string id) { return remove(own, std::move(id), false); });
    co_return report(session, answers, "deleted");
}

void add_prune(CLI::App& vm, Invocation& invocation) {
    auto force = std::make_shared<bool>(false);
    auto* command = add_command(vm, "prune", "delete every VM that does not run", invocation);
    command->add_flag("-f,--force", *force, "do not ask");
    command->callback([force, &invocation] {
        invocation.action = [force](Session& session) { return prune(session, *force); };
    });
}

struct SetOptions {
    api::VmChangeRequest request;
    std::optional<std::uint64_t> memory_bytes;
    PortOptions ports;
};

boost::json::object body_of(const SetOptions& options) {
    auto request = options.request;
    if (options.memory_bytes) {
        request.memory_mib = static_cast<std::uint32_t>(*options.memory_bytes >> 20);
    }
    add_ports(request, options.ports);
    return to_json(request).as_object();
}

void add_set(CLI::App& vm, Invocation& invocation) {
    auto batch = std::make_shared<VmBatch>();
    auto options = std::make_shared<SetOptions>();
    batch->done = "changed";
    batch->request = [options](Session& session, std::string id) {
        return session.client.patch(vm_target(id), body_of(*options));
    };
    auto* command = add_vm_batch(vm, "set", "change VMs", batch, invocation);
    command->add_option("--vcpu", options->request.vcpu, "virtual processors, of a stopped VM");
    add_size_option(*command, "--memory", options->memory_bytes, "memory, of a stopped VM");
    add_size_option(*command, "--disk-size", options->request.disk_size,
                    "larger size of the VM's disk, running or not");
    add_port_options(*command, options->ports);
    command->parse_complete_callback([options] {
        const auto& request = options->request;
        if (request.vcpu || request.disk_size || options->memory_bytes) return;
        if (options->ports.changes()) return;
        throw CLI::RequiredError("one of --vcpu, --memory, --disk-size, --publish, --unpublish");
    });
}

Task<int> rename(Session& session, std::string ref, std::string name) {
    auto targets = co_await resolve_vms(session, {std::move(ref)});
    const auto answers =
        co_await ask_vms(session, std::move(targets), [name](Session& own, std::string id) {
            return own.client.patch(vm_target(id), boost::json::object{{"name", name}});
        });
    co_return report(session, answers, "renamed");
}

void add_rename(CLI::App& vm, Invocation& invocation) {
    auto names = std::make_shared<std::pair<std::string, std::string>>();
    auto* command = add_command(vm, "rename", "give a VM another name", invocation);
    command->add_option("vm", names->first, "name or id")->required();
    command->add_option("name", names->second, "its new name")->required();
    command->callback([names, &invocation] {
        invocation.action = [names](Session& session) {
            return rename(session, names->first, names->second);
        };
    });
}

}  // namespace

void add_vm_lifecycle(CLI::App& vm, Invocation& invocation) {
    add_simple(vm, "start", "started", "start stopped VMs", invocation);
    add_stopping(vm, "stop", "stopped", "stop VMs; their disks stay", invocation);
    add_stopping(vm, "restart", "restarted", "stop VMs and start them again", invocation);
    add_kill(vm, invocation);
    add_simple(vm, "pause", "paused", "stop the processors of VMs; their memory stays", invocation);
    add_simple(vm, "resume", "resumed", "let paused VMs go on", invocation);
    add_delete(vm, invocation);
    add_prune(vm, invocation);
    add_set(vm, invocation);
    add_rename(vm, invocation);
}

}  // namespace banger::cli
