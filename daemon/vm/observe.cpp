#include "daemon/vm/observe.hpp"

#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>

#include "daemon/vm/supervise.hpp"
#include "daemon/vm/vm_disks.hpp"
#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/process_stat.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::vm {
namespace {

constexpr std::chrono::seconds kHealthLimit{5};
constexpr std::chrono::seconds kTrafficLimit{1};

void observe_process(int pid, std::uint64_t start_time, api::VmStats& stats) {
    auto stat = read_process_stat(pid);
    if (!stat || stat->start_time != start_time) return;
    auto ticks = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    stats.cpu_ms = stat->cpu_ticks * 1000 / ticks;
    stats.memory_used = stat->rss_pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::uint64_t occupied_bytes(const std::string& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) return 0;
    return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

/// No host counts the same for each kind of network, and some count nothing.
Task<void> fill_traffic(InstancePtr vm, api::VmStats& stats) {
    auto agent = vm->run && vm->run->link ? vm->run->link->agent() : nullptr;
    if (!agent || vm->record.state != VmState::running) co_return;
    try {
        const auto traffic = co_await agent->traffic(kTrafficLimit);
        stats.network_received = traffic.received;
        stats.network_sent = traffic.sent;
    } catch (const Error& e) {
        spdlog::debug("the traffic of vm '{}' is not known: {}", stats.name, e.what());
    }
}

Task<AgentHealth> ask_health(std::shared_ptr<Run> run) {
    auto agent = co_await wait_agent(run);
    co_return co_await agent->health(kHealthLimit);
}

Task<void> fill_health(std::shared_ptr<Run> run, api::VmHealth& health) {
    auto said = co_await with_timeout(
        kHealthLimit, ask_health(std::move(run)),
        fmt::format("the guest's agent did not answer within {} s", kHealthLimit.count()));
    health.healthy = true;
    health.boot_id = said.boot_id;
    health.uptime_ms = said.uptime_ms;
    health.init = said.init;
    health.system = said.system;
}

}  // namespace

Task<api::VmStats> observe(VmContext& context, InstancePtr vm) {
    const auto record = vm->record;
    api::VmStats stats;
    stats.id = record.id;
    stats.name = record.name;
    stats.state = to_string(record.state);
    stats.vcpu = record.vcpu;
    stats.memory_size = std::uint64_t{record.memory_mib} << 20;
    stats.disk_size = record.disk_size;
    auto disk = disks_of(record, context.directory(record)).at(own_disk_place(record)).path;
    co_await run_blocking(context.deps.pool, [&](std::stop_token) {
        if (record.pid) observe_process(*record.pid, record.start_time, stats);
        stats.disk_used = occupied_bytes(disk);
    });
    co_await fill_traffic(std::move(vm), stats);
    co_return stats;
}

Task<api::VmHealth> examine(InstancePtr vm) {
    api::VmHealth health;
    health.id = vm->record.id;
    health.name = vm->record.name;
    health.state = to_string(vm->record.state);
    if (vm->record.state != VmState::running || !vm->run) {
        health.problem = "the vm is " + health.state;
        co_return health;
    }
    try {
        co_await fill_health(vm->run, health);
    } catch (const Error& e) {
        health.problem = e.what();
    }
    co_return health;
}

}  // namespace banger::vm
