#include <memory>
#include <optional>
#include <set>

#include "cli/commands.hpp"
#include "cli/format.hpp"
#include "cli/port_spec.hpp"
#include "cli/table.hpp"

namespace banger::cli {
namespace {

struct PortOptions {
    std::vector<std::string> vms;
    std::vector<std::string> publish;
    std::vector<std::string> unpublish;
    bool all = false;
    bool not_all = false;

    bool changes() const { return !publish.empty() || !unpublish.empty() || all || not_all; }
};

std::string ports_target(const std::string& vm) {
    return "/v1/vms/" + encode_segment(vm) + "/ports";
}

std::string unpublish_target(const std::string& vm, const api::PublishedPort& port) {
    auto target = ports_target(vm) + "?host=" + std::to_string(port.host);
    if (!port.address.empty()) target += "&address=" + encode_segment(port.address);
    return target;
}

Task<void> change_ports(Session& session, std::string vm, PortOptions options) {
    for (const auto& spec : options.unpublish)
        co_await session.client.remove(unpublish_target(vm, parse_published(spec)));
    for (const auto& spec : options.publish)
        co_await session.client.put(ports_target(vm), to_json(parse_port_spec(spec)));
    if (options.all || options.not_all) {
        co_await session.client.put(ports_target(vm) + "/all", {{"enabled", options.all}});
    }
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
    for (const auto& vm : vms)
        names.push_back(vm.name);
    co_return names;
}

/// A VM whose listeners are not known does not stop the others.
Task<int> show_ports(Session& session, PortOptions options) {
    if (options.changes() && options.vms.size() != 1) {
        fail(Errc::invalid_argument, "name the one vm whose ports are to change");
    }
    if (options.changes()) co_await change_ports(session, options.vms.front(), options);
    if (options.vms.empty()) options.vms = co_await all_vms(session);
    int status = 0;
    boost::json::array all;
    Table table({"VM", "PORT", "LISTENS AT", "PROCESS", "REACHABLE AT"});
    for (const auto& vm : options.vms) {
        auto answer = co_await session.client.get(ports_target(vm));
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
    auto options = std::make_shared<PortOptions>();
    auto* command = add_command(vm, "ports", "list the ports of VMs, or publish some", invocation);
    command->add_option("vm", options->vms, "names or ids; default: all");
    command->add_option("-p,--publish", options->publish, "[address:]host:guest, at once")
        ->allow_extra_args(false);
    command->add_option("--unpublish", options->unpublish, "[address:]host")
        ->allow_extra_args(false);
    auto* all = command->add_flag("-P,--publish-all", options->all,
                                  "whatever the guest listens on, on the VM's own address");
    command->add_flag("--no-publish-all", options->not_all, "only what is published by name")
        ->excludes(all);
    command->callback([options, &invocation] {
        invocation.action = [options](Session& session) { return show_ports(session, *options); };
    });
}

}  // namespace banger::cli
