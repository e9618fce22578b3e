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

Task<int> import(Session& session, api::KernelImportRequest request) {
    if (request.from_directory) request.from_directory = absolute_path(*request.from_directory);
    if (request.from_deb) request.from_deb = absolute_path(*request.from_deb);
    const auto result = co_await run_operation(session, "/v1/kernels", to_json(request));
    const auto kernel = from_json<api::KernelInfo>(result);
    if (session.json) {
        print_json(result);
    } else {
        print(fmt::format("{}  {}  {} modules\n", kernel.name, kernel.version, kernel.modules));
    }
    co_return 0;
}

Task<int> list(Session& session) {
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

Task<int> remove(Session& session, std::string kernel) {
    co_await run_removal(session, kernel_target(kernel));
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

/// A command about one kernel.
void add_one(CLI::App& parent, const std::string& name, const std::string& help,
             Task<int> (*act)(Session&, std::string), Invocation& invocation) {
    auto kernel = std::make_shared<std::string>();
    auto* command = add_command(parent, name, help, invocation);
    command->add_option("kernel", *kernel, "name")->required();
    if (name == "rm") command->alias("delete");
    command->callback([kernel, act, &invocation] {
        invocation.action = [kernel, act](Session& session) { return act(session, *kernel); };
    });
}

}  // namespace

void add_kernel_commands(CLI::App& app, Invocation& invocation) {
    auto* kernel = app.add_subcommand("kernel", "kernels that VMs boot");
    kernel->require_subcommand(1);
    add_import(*kernel, invocation);
    auto* list_command = add_command(*kernel, "list", "list kernels", invocation);
    list_command->alias("ls")->callback([&invocation] { invocation.action = list; });
    add_one(*kernel, "show", "show all about a kernel", show, invocation);
    add_one(*kernel, "rm", "delete a kernel that no VM uses", remove, invocation);
}

}  // namespace banger::cli
