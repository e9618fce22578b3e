#include <chrono>
#include <memory>

#include "cli/commands.hpp"
#include "cli/daemon_start.hpp"
#include "cli/format.hpp"
#include "daemon/api/types.hpp"
#include "pipelines/io/process_stat.hpp"
#include "pipelines/io/subprocess.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto kStopLimit = 60s;

Task<int> status(Session& session) {
    const auto answer = co_await session.client.get("/v1/daemon");
    session.json ? print_json(answer) : print(format_details(answer));
    co_return 0;
}

/// Of the process, not of its socket: that goes first, and belongs to systemd where systemd started
/// the daemon, so that another connection would start the next one.
Task<void> wait_for_end(Session& session, int pid) {
    const auto stat = read_process_stat(pid);
    if (!stat) co_return;
    const auto daemon = ForeignProcess::find(session.executor, pid, stat->start_time);
    if (!daemon) co_return;
    co_await with_timeout(
        kStopLimit, daemon->wait_gone(),
        fmt::format("bangerd (pid {}) has not ended within {} s", pid, kStopLimit.count()));
}

void report(const Session& session, const std::string& state) {
    const boost::json::object result{{"daemon", state}, {"socket", session.client.socket()}};
    session.json ? print_json(result) : print("bangerd " + state + "\n");
}

Task<int> stop(Session& session) {
    if (!daemon_answers(session.client.socket())) {
        report(session, "was not running");
        co_return 0;
    }
    const auto answer = co_await session.client.post("/v1/daemon/stop", boost::json::object());
    co_await wait_for_end(session, from_json<api::DaemonInfo>(answer).pid);
    report(session, "stopped");
    co_return 0;
}

Task<int> start(Session& session) {
    const bool was_running = daemon_answers(session.client.socket());
    co_await ensure_daemon(session);
    report(session, was_running ? "was running" : "started");
    co_return 0;
}

Task<int> print_socket(Session& session) {
    const boost::json::object result{{"socket", session.client.socket()}};
    session.json ? print_json(result) : print(session.client.socket() + "\n");
    co_return 0;
}

void add(CLI::App& daemon, const std::string& name, const std::string& help,
         Task<int> (*act)(Session&), Invocation& invocation) {
    add_command(daemon, name, help, invocation)->callback([act, &invocation] {
        invocation.starts_daemon = false;
        invocation.action = act;
    });
}

}  // namespace

void add_daemon_commands(CLI::App& app, Invocation& invocation) {
    auto* daemon =
        app.add_subcommand("daemon", "bangerd, which the other commands start by themselves");
    daemon->require_subcommand(1);
    add(*daemon, "status", "show what runs; exit status 3 when nothing does", status, invocation);
    add(*daemon, "start", "start it unless it runs", start, invocation);
    add(*daemon, "stop", "stop it; VMs keep running", stop, invocation);
    add(*daemon, "socket", "print where it listens", print_socket, invocation);
}

}  // namespace banger::cli
