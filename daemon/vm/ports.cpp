#include "daemon/vm/ports.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <map>
#include <set>

#include "daemon/net/port_forwards.hpp"
#include "daemon/vm/supervise.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::vm {

using api::PublishedPort;
using net::HostPort;

namespace {

/// How long a connection waits for an agent that is between two connections of its own.
constexpr std::chrono::seconds kAgentPatience{5};
constexpr std::chrono::seconds kListLimit{5};
constexpr std::chrono::seconds kLookEvery{1};
/// A guest that listens on thousands of ports does not take the host's descriptors.
constexpr std::size_t kMostAutomatic = 256;

HostPort place_of(const VmRecord& record, const PublishedPort& port) {
    return {port.address.empty() ? record.address : port.address, port.host};
}

Task<std::shared_ptr<AgentClient>> agent_of(std::shared_ptr<Run> run, std::string name) {
    auto what = fmt::format("the agent of vm '{}' is not connected", name);
    co_return co_await with_timeout(kAgentPatience, wait_agent(std::move(run)), std::move(what));
}

Task<std::unique_ptr<net::GuestConnection>> dial(std::weak_ptr<Run> run, std::string name,
                                                 std::uint16_t port) {
    auto known = run.lock();
    if (!known) fail(Errc::unavailable, "vm '{}' has ended", name);
    auto agent = co_await agent_of(known, std::move(name));
    co_return co_await agent->connect(port);
}

std::shared_ptr<net::PortForwards> make_forwards(VmContext& context, const InstancePtr& vm,
                                                 const std::shared_ptr<Run>& run) {
    // The run owns the forwards: owning the run in turn, they would keep each other for ever.
    net::Dial to_guest = [weak = std::weak_ptr<Run>(run), name = vm->record.name](
                             std::uint16_t port) { return dial(weak, name, port); };
    return std::make_shared<net::PortForwards>(context.deps.executor, net::ForwardLimits{},
                                               std::move(to_guest));
}

/// What was published and is not open, because somebody else had it.
void open_missing(const Instance& vm, Run& run, bool say) {
    const auto open = run.ports->ports();
    for (const auto& port : vm.record.publish) {
        const auto at = place_of(vm.record, port);
        if (open.contains(at)) continue;
        try {
            run.ports->open(at, port.guest);
            spdlog::info("vm '{}': listening at {} again", vm.record.name, to_string(at));
        } catch (const Error& e) {
            if (say) spdlog::warn("vm '{}' runs without a port: {}", vm.record.name, e.what());
        }
    }
}

/// The guest's listeners as ports of the VM's own address.
class Automatic {
  public:
    void follow(const Instance& vm, Run& run, const std::vector<api::GuestListener>& listeners) {
        for (const auto& port : vm.record.publish)
            opened_.erase(place_of(vm.record, port));
        std::set<HostPort> wanted;
        for (const auto& listener : listeners) {
            if (wanted.size() < kMostAutomatic) wanted.insert({vm.record.address, listener.port});
        }
        std::erase_if(opened_, [&](const HostPort& at) {
            return !wanted.contains(at) && (run.ports->close(at), true);
        });
        const auto open = run.ports->ports();
        for (const auto& at : wanted) {
            if (!open.contains(at)) try_open(vm, run, at);
        }
    }

  private:
    void try_open(const Instance& vm, Run& run, const HostPort& at) {
        try {
            run.ports->open(at, at.port);
            opened_.insert(at);
            refused_.erase(at);
        } catch (const Error& e) {
            // Once, not each second.
            if (refused_.insert(at).second) spdlog::warn("vm '{}': {}", vm.record.name, e.what());
        }
    }

    std::set<HostPort> opened_;
    std::set<HostPort> refused_;
};

Task<void> look_at_guest(InstancePtr vm, std::shared_ptr<Run> run, Automatic& automatic) {
    open_missing(*vm, *run, false);
    auto agent = run->link ? run->link->agent() : nullptr;
    if (!vm->record.publish_all) {
        automatic.follow(*vm, *run, {});
    } else if (agent && vm->record.state == VmState::running) {
        auto listeners = co_await agent->listeners(kListLimit);
        automatic.follow(*vm, *run, listeners);
    }
}

Task<void> follow_guest(InstancePtr vm, std::shared_ptr<Run> run) {
    Automatic automatic;
    for (;;) {
        co_await sleep_for(kLookEvery);
        try {
            co_await look_at_guest(vm, run, automatic);
        } catch (const std::exception& e) {
            if (is_cancellation(std::current_exception())) throw;
            spdlog::debug("vm '{}': its listeners are not known: {}", vm->record.name, e.what());
        }
    }
}

/// One spelling of each address, so that two alike are known as such.
PublishedPort checked(PublishedPort port) {
    if (port.guest == 0) fail(Errc::invalid_argument, "a published port needs the guest's port");
    if (port.host == 0) port.host = port.guest;
    if (port.address == "localhost") port.address = "127.0.0.1";
    if (port.address.empty()) return port;
    boost::system::error_code error;
    const auto address = boost::asio::ip::make_address(port.address, error);
    if (error) {
        fail(Errc::invalid_argument, "'{}' is no address: use [address:]host:guest", port.address);
    }
    port.address = address.to_string();
    return port;
}

auto find_port(std::vector<PublishedPort>& ports, const VmRecord& record, const HostPort& at) {
    return std::ranges::find_if(ports,
                                [&](const auto& port) { return place_of(record, port) == at; });
}

std::map<HostPort, std::uint16_t> places_of(const VmRecord& record) {
    std::map<HostPort, std::uint16_t> places;
    for (const auto& port : record.publish)
        places[place_of(record, port)] = port.guest;
    return places;
}

/// From the one set of places to the other; what is in both stays as it is.
void switch_places(net::PortForwards& forwards, const std::map<HostPort, std::uint16_t>& from,
                   const std::map<HostPort, std::uint16_t>& to) {
    const auto has = [](const auto& places, const auto& entry) {
        const auto found = places.find(entry.first);
        return found != places.end() && found->second == entry.second;
    };
    for (const auto& entry : from) {
        if (!has(to, entry)) forwards.close(entry.first);
    }
    for (const auto& entry : to) {
        if (has(from, entry)) continue;
        // What came of its own accord makes room for what is asked for.
        forwards.close(entry.first);
        forwards.open(entry.first, entry.second);
    }
}

}  // namespace

Task<std::unique_ptr<net::GuestConnection>> connect_guest(InstancePtr vm, std::uint16_t port) {
    if (vm->record.state != VmState::running || !vm->run || !vm->run->ports) {
        fail(Errc::conflict, "vm '{}' is {}, not running", vm->record.name,
             to_string(vm->record.state));
    }
    auto forwards = vm->run->ports;
    co_return co_await forwards->connect(port);
}

std::vector<PublishedPort> check_published(std::vector<PublishedPort> ports) {
    std::set<HostPort> places;
    for (auto& port : ports) {
        port = checked(std::move(port));
        if (places.insert({port.address, port.host}).second) continue;
        fail(Errc::invalid_argument, "port {} is published twice", port.host);
    }
    return ports;
}

void open_ports(VmContext& context, const InstancePtr& vm, const std::shared_ptr<Run>& run) {
    auto forwards = make_forwards(context, vm, run);
    for (const auto& port : vm->record.publish)
        forwards->open(place_of(vm->record, port), port.guest);
    run->ports = std::move(forwards);
}

void reopen_ports(VmContext& context, const InstancePtr& vm, const std::shared_ptr<Run>& run) {
    run->ports = make_forwards(context, vm, run);
    open_missing(*vm, *run, true);
}

Task<void> serve_ports(InstancePtr vm, std::shared_ptr<Run> run) {
    if (!run->ports) co_return;
    co_await when_all(run->ports->run(), follow_guest(vm, run));
}

Task<api::VmPorts> list_ports(InstancePtr vm) {
    const auto& record = vm->record;
    api::VmPorts ports{record.name, record.address, record.publish_all, record.publish, {}, {}};
    auto run = vm->run;
    if (record.state != VmState::running || !run) co_return ports;
    try {
        auto agent = co_await agent_of(run, record.name);
        ports.listeners = co_await agent->listeners(kListLimit);
    } catch (const Error& e) {
        ports.error = e.what();
    }
    if (!run->ports) co_return ports;
    for (const auto& [at, guest] : run->ports->ports()) {
        for (auto& listener : ports.listeners) {
            if (listener.port == guest) listener.reachable.push_back(to_string(at));
        }
    }
    co_return ports;
}

std::vector<PublishedPort> plan_ports(const VmRecord& record, const api::VmChangeRequest& request) {
    auto ports = record.publish;
    for (auto port : request.unpublish.value_or(std::vector<PublishedPort>())) {
        if (port.guest == 0) port.guest = port.host;
        const auto at = place_of(record, checked(std::move(port)));
        const auto found = find_port(ports, record, at);
        if (found == ports.end()) {
            fail(Errc::not_found, "vm '{}' does not publish {}; see banger vm ports", record.name,
                 to_string(at));
        }
        ports.erase(found);
    }
    for (auto port : request.publish.value_or(std::vector<PublishedPort>())) {
        port = checked(std::move(port));
        const auto at = place_of(record, port);
        if (find_port(ports, record, at) != ports.end()) {
            fail(Errc::already_exists, "vm '{}' publishes {} already", record.name, to_string(at));
        }
        ports.push_back(std::move(port));
    }
    return ports;
}

void move_ports(Run& run, const VmRecord& before, const VmRecord& after) {
    if (!run.ports) return;
    try {
        switch_places(*run.ports, places_of(before), places_of(after));
    } catch (...) {
        take_ports_back(run, before, after);
        throw;
    }
}

void take_ports_back(Run& run, const VmRecord& before, const VmRecord& after) noexcept {
    if (!run.ports) return;
    try {
        switch_places(*run.ports, places_of(after), places_of(before));
    } catch (const std::exception& e) {
        // Tried again each second (follow_guest).
        spdlog::warn("vm '{}': {}", before.name, e.what());
    }
}

}  // namespace banger::vm
