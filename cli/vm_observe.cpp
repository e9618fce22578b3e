#include <memory>

#include "cli/commands.hpp"
#include "cli/format.hpp"
#include "cli/table.hpp"
#include "cli/vm_batch.hpp"

namespace banger::cli {
namespace {

struct LogOptions {
    std::string vm;
    std::optional<std::uint64_t> bytes;
    bool boot = false;
};

/// What the last start did: the boot black box.
Task<int> print_boot(Session& session, std::string vm) {
    const auto info = from_json<api::VmInfo>(co_await session.client.get(vm_target(vm)));
    if (session.json) {
        print_json(info.boot ? to_json(*info.boot) : boost::json::value());
        co_return 0;
    }
    if (!info.boot) fail(Errc::not_found, "vm '{}' was never started", info.name);
    for (const auto& mark : info.boot->timeline)
        print(fmt::format("{:>8} ms  {}\n", mark.ms, mark.name));
    print("verdict: " + info.boot->verdict + "\n");
    if (!info.boot->vmm_exit.empty()) print("vmm: " + info.boot->vmm_exit + "\n");
    if (!info.boot->serial_tail.empty()) {
        print("last lines of the console:\n" + info.boot->serial_tail + "\n");
    }
    co_return 0;
}

Task<int> print_logs(Session& session, LogOptions options) {
    if (options.boot) co_return co_await print_boot(session, options.vm);
    auto target = vm_target(options.vm, "/logs");
    if (options.bytes) target += "?bytes=" + std::to_string(*options.bytes);
    auto text = co_await session.client.get_text(target);
    if (session.json) {
        const boost::json::object log{{"vm", options.vm}, {"log", text}};
        print_json(log);
    } else {
        print(text);
    }
    co_return 0;
}

void add_logs(CLI::App& vm, Invocation& invocation) {
    auto options = std::make_shared<LogOptions>();
    auto* command = add_command(vm, "logs", "print the end of the serial console", invocation);
    command->add_option("vm", options->vm, "name or id")->required();
    command->add_option("--bytes", options->bytes, "how much of it");
    command->add_flag("--boot", options->boot,
                      "print what the last start did instead: its timeline, its verdict");
    command->callback([options, &invocation] {
        invocation.action = [options](Session& session) { return print_logs(session, *options); };
    });
}

/// Shown in one table, or as one array; an error is said, and is the exit status.
int show(const Session& session, const std::vector<VmAnswer>& answers, Table table,
         const std::function<std::vector<std::string>(const boost::json::value&)>& row) {
    int status = 0;
    boost::json::array results;
    for (const auto& answer : answers) {
        if (!answer.error.empty()) {
            say("banger: " + answer.error);
            status = kExitFailed;
            continue;
        }
        table.add(row(answer.result));
        results.push_back(answer.result);
    }
    if (session.json) {
        print_json(results);
    } else {
        print(table.render());
    }
    return status;
}

/// Those that were named, or else all that run.
Task<std::vector<VmTarget>> targets_of(Session& session, std::vector<std::string> refs) {
    if (!refs.empty()) co_return co_await resolve_vms(session, std::move(refs));
    std::vector<VmTarget> targets;
    const auto answer = co_await session.client.get("/v1/vms");
    for (const auto& vm : from_json<std::vector<api::VmInfo>>(answer)) {
        if (vm.state == "running" || vm.state == "paused")
            targets.push_back({vm.name, vm.id, vm.name, ""});
    }
    co_return targets;
}

std::string format_known(const std::optional<std::uint64_t>& bytes) {
    return bytes ? format_bytes(*bytes) : "-";
}

std::vector<std::string> stats_row(const boost::json::value& value) {
    const auto stats = from_json<api::VmStats>(value);
    return {stats.name,
            stats.state,
            std::to_string(stats.vcpu),
            fmt::format("{:.1f} s", static_cast<double>(stats.cpu_ms) / 1000.0),
            format_bytes(stats.memory_used) + " / " + format_bytes(stats.memory_size),
            format_bytes(stats.disk_used) + " / " + format_bytes(stats.disk_size),
            format_known(stats.network_received) + " / " + format_known(stats.network_sent)};
}

Task<int> print_stats(Session& session, std::vector<std::string> refs) {
    auto targets = co_await targets_of(session, std::move(refs));
    const auto answers = co_await ask_vms(
        session, std::move(targets),
        [](Session& own, std::string id) { return own.client.get(vm_target(id, "/stats")); });
    Table table({"NAME", "STATE", "VCPU", "CPU TIME", "MEMORY", "DISK", "NETWORK IN / OUT"});
    co_return show(session, answers, std::move(table), stats_row);
}

std::vector<std::string> health_row(const boost::json::value& value) {
    const auto health = from_json<api::VmHealth>(value);
    return {health.name,
            health.state,
            health.healthy ? "yes" : "no",
            health.uptime_ms
                ? fmt::format("{:.1f} s", static_cast<double>(*health.uptime_ms) / 1000.0)
                : "",
            health.system.value_or(""),
            health.problem.value_or("")};
}

Task<int> print_health(Session& session, std::vector<std::string> refs) {
    auto targets = co_await targets_of(session, std::move(refs));
    const auto answers = co_await ask_vms(
        session, std::move(targets),
        [](Session& own, std::string id) { return own.client.get(vm_target(id, "/health")); });
    int status =
        show(session, answers, Table({"NAME", "STATE", "HEALTHY", "UPTIME", "SYSTEM", "PROBLEM"}),
             health_row);
    for (const auto& answer : answers) {
        if (answer.error.empty() && !from_json<api::VmHealth>(answer.result).healthy)
            status = kExitFailed;
    }
    co_return status;
}

void add_look(CLI::App& vm, const std::string& name, const std::string& help,
              Task<int> (*action)(Session&, std::vector<std::string>), Invocation& invocation) {
    auto refs = std::make_shared<std::vector<std::string>>();
    auto* command = add_command(vm, name, help, invocation);
    command->add_option("vm", *refs, "names or ids; default: all that run");
    command->callback([refs, action, &invocation] {
        invocation.action = [refs, action](Session& session) { return action(session, *refs); };
    });
}

}  // namespace

void add_vm_observation(CLI::App& vm, Invocation& invocation) {
    add_logs(vm, invocation);
    add_look(vm, "stats", "show what VMs use of the host", print_stats, invocation);
    add_look(vm, "health", "ask the agents of VMs; exit status 1 unless all are well", print_health,
             invocation);
}

}  // namespace banger::cli
