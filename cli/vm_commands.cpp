#include <memory>

#include "cli/commands.hpp"
#include "cli/format.hpp"
#include "cli/operation_wait.hpp"
#include "cli/table.hpp"
#include "cli/vm_batch.hpp"
#include "cli/vm_create.hpp"

namespace banger::cli {
namespace {

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
    add_vm_lifecycle(*vm, invocation);
    add_vm_observation(*vm, invocation);
    add_vm_ports(*vm, invocation);
    add_ssh_proxy(app, invocation);
    add_list(app, "ps", "list running VMs", true, invocation);
}

}  // namespace banger::cli
