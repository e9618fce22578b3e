#include <memory>
#include <optional>
#include <set>

#include "cli/commands.hpp"
#include "cli/format.hpp"
#include "cli/interrupts.hpp"
#include "cli/operation_wait.hpp"
#include "cli/port_options.hpp"
#include "cli/table.hpp"
#include "cli/vm_batch.hpp"

namespace banger::cli {
namespace {

struct Wanted {
    std::vector<std::string> vms;
    PortOptions ports;
};

/// All of it, or, where one cannot be had, nothing.
Task<void> change_ports(Session& session, std::string vm, PortOptions options) {
    Interrupts interrupts(session.executor);
    api::VmChangeRequest request;
    add_ports(request, options);
    auto answer = co_await session.client.patch(vm_target(vm), to_json(request));
    co_await finish_request(session, interrupts, std::move(answer));
}

std::string join(const std::vector<std::string>& words) {
    std::string text;
    for (const auto& word : words)
        text += (text.empty() ? "" : ", ") + word;
    return text;
}

std::string place_of(const api::VmPorts& ports, const api::PublishedPort& port) {
    const auto& address = port.address.empty() ? ports.address : port.address;
    const bool v6 = address.find(':') != std::string::npos;
    return fmt::format("{}:{}", v6 ? "[" + address + "]" : address, port.host);
}

/// The listeners, then what is published though nothing listens there.
void add_rows(Table& table, const api::VmPorts& ports) {
    std::set<std::uint16_t> heard;
    for (const auto& listener : ports.listeners) {
        heard.insert(listener.port);
        table.add({ports.vm, std::to_string(listener.port), listener.address, listener.process,
                   join(listener.reachable)});
    }
    for (const auto& port : ports.published) {
        if (heard.contains(port.guest)) continue;
        table.add({ports.vm, std::to_string(port.guest), "-", "-", place_of(ports, port)});
    }
}

Task<std::vector<std::string>> all_vms(Session& session) {
    const auto vms = from_json<std::vector<api::VmInfo>>(co_await session.client.get("/v1/vms"));
    std::vector<std::string> names;
    names.reserve(vms.size());
    for (const auto& vm : vms)
        names.push_back(vm.name);
    co_return names;
}

/// A VM whose listeners are not known does not stop the others.
Task<int> show_ports(Session& session, Wanted wanted) {
    if (wanted.ports.changes() && wanted.vms.size() != 1) {
        fail(Errc::invalid_argument, "name the one vm whose ports are to change");
    }
    if (wanted.ports.changes()) co_await change_ports(session, wanted.vms.front(), wanted.ports);
    if (wanted.vms.empty()) wanted.vms = co_await all_vms(session);
    int status = 0;
    boost::json::array all;
    Table table({"VM", "PORT", "LISTENS AT", "PROCESS", "REACHABLE AT"});
    for (const auto& vm : wanted.vms) {
        auto answer = co_await session.client.get(vm_target(vm, "/ports"));
        const auto ports = from_json<api::VmPorts>(answer);
        add_rows(table, ports);
        all.push_back(std::move(answer));
        if (!ports.error) continue;
        say(fmt::format("banger: the listeners of '{}' are not known: {}", vm, *ports.error));
        status = kExitFailed;
    }
    session.json ? print_json(all) : print(table.render());
    co_return status;
}

}  // namespace

void add_vm_ports(CLI::App& vm, Invocation& invocation) {
    auto wanted = std::make_shared<Wanted>();
    auto* command = add_command(vm, "ports", "list the ports of VMs, or publish some", invocation);
    command->add_option("vm", wanted->vms, "names or ids; default: all");
    add_port_options(*command, wanted->ports);
    command->callback([wanted, &invocation] {
        invocation.action = [wanted](Session& session) { return show_ports(session, *wanted); };
    });
}

}  // namespace banger::cli
