#include <memory>

#include "cli/commands.hpp"
#include "cli/format.hpp"
#include "cli/table.hpp"

namespace banger::cli {
namespace {

std::string operation_target(const std::string& id) {
    return "/v1/operations/" + encode_segment(id);
}

Task<int> list(Session& session) {
    const auto answer = co_await session.client.get("/v1/operations");
    if (session.json) {
        print_json(answer);
        co_return 0;
    }
    Table table({"ID", "KIND", "TARGET", "STATE", "CREATED", "ERROR"});
    for (const auto& operation : from_json<std::vector<api::OperationInfo>>(answer)) {
        table.add({operation.id, operation.kind, operation.target, operation.state,
                   format_time(operation.created_at),
                   operation.error ? operation.error->message : ""});
    }
    print(table.render());
    co_return 0;
}

void print_operation(const Session& session, const boost::json::value& answer) {
    if (session.json) return print_json(answer);
    print(format_details(answer));
    const auto operation = from_json<api::OperationInfo>(answer);
    if (operation.error) print("error: " + operation.error->message + "\n");
}

Task<int> show(Session& session, std::string id) {
    print_operation(session, co_await session.client.get(operation_target(id)));
    co_return 0;
}

Task<int> cancel(Session& session, std::string id) {
    co_await session.client.remove(operation_target(id));
    const auto target = operation_target(id) + "?wait=true";
    print_operation(session, co_await session.client.get(target));
    co_return 0;
}

void add_one(CLI::App& parent, const std::string& name, const std::string& help,
             Task<int> (*act)(Session&, std::string), Invocation& invocation) {
    auto id = std::make_shared<std::string>();
    auto* command = add_command(parent, name, help, invocation);
    command->add_option("id", *id, "id of the operation")->required();
    command->callback([id, act, &invocation] {
        invocation.action = [id, act](Session& session) { return act(session, *id); };
    });
}

}  // namespace

void add_operation_commands(CLI::App& app, Invocation& invocation) {
    auto* operation = app.add_subcommand("operation", "long work of the daemon");
    operation->require_subcommand(1);
    auto* list_command = add_command(*operation, "list", "list operations", invocation);
    list_command->alias("ls")->callback([&invocation] { invocation.action = list; });
    add_one(*operation, "show", "show an operation", show, invocation);
    add_one(*operation, "cancel", "cancel an operation and wait for its end", cancel, invocation);
}

}  // namespace banger::cli
