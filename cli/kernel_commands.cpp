#include <memory>

#include "cli/commands.hpp"
#include "cli/format.hpp"
#include "cli/operation_wait.hpp"
#include "cli/options.hpp"
#include "cli/table.hpp"

namespace banger::cli {
namespace {

std::string kernel_target(const std::string& kernel) {
    return "/v1/kernels/" + encode_segment(kernel);
}

void print_kernel(const Session& session, const boost::json::value& result) {
    if (session.json) return print_json(result);
    const auto kernel = from_json<api::KernelInfo>(result);
    print(fmt::format("{}  {}  {} modules\n", kernel.name, kernel.version, kernel.modules));
}

Task<int> pull(Session& session, api::KernelPullRequest request) {
    print_kernel(session, co_await run_operation(session, "/v1/kernel-pulls", to_json(request)));
    co_return 0;
}

Task<int> import(Session& session, api::KernelImportRequest request) {
    if (request.from_directory) request.from_directory = absolute_path(*request.from_directory);
    if (request.from_deb) request.from_deb = absolute_path(*request.from_deb);
    print_kernel(session, co_await run_operation(session, "/v1/kernels", to_json(request)));
    co_return 0;
}

Task<int> list(Session& session, bool available) {
    if (available) co_return co_await list_available(session, "kernels");
    const auto answer = co_await session.client.get("/v1/kernels");
    if (session.json) {
        print_json(answer);
        co_return 0;
    }
    Table table({"NAME", "VERSION", "ARCH", "DISTRO", "SIZE", "MODULES", "INITRD", "CREATED"});
    for (const auto& kernel : from_json<std::vector<api::KernelInfo>>(answer)) {
        table.add({kernel.name, kernel.version, kernel.arch, kernel.distro,
                   format_bytes(kernel.vmlinux_bytes), std::to_string(kernel.modules),
                   kernel.has_initrd ? "yes" : "no", format_time(kernel.created_at)});
    }
    print(table.render());
    co_return 0;
}

Task<int> show(Session& session, std::string kernel) {
    const auto answer = co_await session.client.get(kernel_target(kernel));
    session.json ? print_json(answer) : print(format_details(answer));
    co_return 0;
}

Task<int> remove(Session& session, std::string kernel, bool force) {
    co_await run_removal(session, kernel_target(kernel) + (force ? "?force=true" : ""));
    const boost::json::object result{{"kernel", kernel}, {"result", "deleted"}};
    session.json ? print_json(result) : print("deleted " + kernel + "\n");
    co_return 0;
}

void add_import(CLI::App& kernel, Invocation& invocation) {
    auto request = std::make_shared<api::KernelImportRequest>();
    auto* command = add_command(kernel, "import", "make a kernel known under a name", invocation);
    command->add_option("name", request->name, "name to give it")->required();
    auto* source = command->add_option_group("source");
    source->add_option("--from", request->from_directory,
                       "directory: vmlinux, initrd.img, modules/");
    source->add_option("--from-deb", request->from_deb, "a linux-image package of Debian");
    source->require_option(1);
    command->add_option("--distro", request->distro, "distribution, for the manifest");
    command->add_option("--arch", request->arch, "architecture, for the manifest");
    command->callback([request, &invocation] {
        invocation.action = [request](Session& session) { return import(session, *request); };
    });
}

void add_pull(CLI::App& kernel, Invocation& invocation) {
    auto request = std::make_shared<api::KernelPullRequest>();
    auto* command = add_command(kernel, "pull", "pull a kernel that a catalog names", invocation);
    command->add_option("kernel", request->name, "name")->required();
    command->add_flag("--force", request->force, "replace the one that is here");
    command->callback([request, &invocation] {
        invocation.action = [request](Session& session) { return pull(session, *request); };
    });
}

void add_list(CLI::App& kernel, Invocation& invocation) {
    auto available = std::make_shared<bool>(false);
    auto* command = add_command(kernel, "list", "list kernels", invocation);
    command->add_flag("--available", *available, "those that catalogs have");
    command->alias("ls")->callback([available, &invocation] {
        invocation.action = [available](Session& session) { return list(session, *available); };
    });
}

void add_show(CLI::App& kernel, Invocation& invocation) {
    auto name = std::make_shared<std::string>();
    auto* command = add_command(kernel, "show", "show all about a kernel", invocation);
    command->add_option("kernel", *name, "name")->required();
    command->callback([name, &invocation] {
        invocation.action = [name](Session& session) { return show(session, *name); };
    });
}

void add_remove(CLI::App& kernel, Invocation& invocation) {
    auto name = std::make_shared<std::string>();
    auto force = std::make_shared<bool>(false);
    auto* command = add_command(kernel, "rm", "delete a kernel that no VM uses", invocation);
    command->add_option("kernel", *name, "name")->required();
    command->add_flag("--force", *force, "also one that VMs use: they will not start again");
    command->alias("delete")->callback([name, force, &invocation] {
        invocation.action = [name, force](Session& session) {
            return remove(session, *name, *force);
        };
    });
}

}  // namespace

void add_kernel_commands(CLI::App& app, Invocation& invocation) {
    auto* kernel = app.add_subcommand("kernel", "kernels that VMs boot");
    kernel->require_subcommand(1);
    add_import(*kernel, invocation);
    add_pull(*kernel, invocation);
    add_list(*kernel, invocation);
    add_show(*kernel, invocation);
    add_remove(*kernel, invocation);
}

}  // namespace banger::cli
