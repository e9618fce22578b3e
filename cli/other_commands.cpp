#include <algorithm>
#include <memory>

#include "cli/commands.hpp"
#include "cli/daemon_start.hpp"
#include "cli/format.hpp"
#include "cli/table.hpp"
#include "daemon/config.hpp"

namespace banger::cli {
namespace {

/// Exit status 1 when a check failed; a warning is none.
Task<int> doctor(Session& session) {
    const auto answer = co_await session.client.get("/v1/doctor");
    const auto rows = from_json<std::vector<api::DoctorRow>>(answer);
    if (session.json) {
        print_json(answer);
    } else {
        Table table({"CHECK", "STATUS", "DETAIL"});
        for (const auto& row : rows)
            table.add({row.check, row.status, row.detail});
        print(table.render());
    }
    co_return std::ranges::find(rows, "fail", &api::DoctorRow::status) == rows.end() ? 0
                                                                                     : kExitFailed;
}

/// Ours, and the daemon's when one runs: it may be older than we are.
Task<int> version(Session& session) {
    boost::json::object result{{"version", BANGER_VERSION}};
    if (daemon_answers(session.client.socket())) {
        const auto daemon = co_await session.client.get("/v1/version");
        result["daemon"] = from_json<api::DaemonInfo>(daemon).version;
    }
    session.json ? print_json(result) : print(format_details(result));
    co_return 0;
}

Task<int> set_config(Session& session, std::string key, std::string value) {
    set_config_value(session.paths.config_file, key, value);
    if (session.verbose) say(fmt::format("{}: {} = {}", session.paths.config_file, key, value));
    if (daemon_answers(session.client.socket())) {
        say("bangerd reads its configuration when it starts: banger daemon stop");
    }
    co_return 0;
}

/// All of it, defaults included, or one key's bare value.
Task<int> get_config(Session& session, std::string key) {
    const auto all = to_json(load_config(session.paths.config_file));
    if (key.empty()) {
        session.json ? print_json(all) : print(format_settings(all));
        co_return 0;
    }
    const auto dot = key.find('.');
    const auto* value = all.as_object().if_contains(key.substr(0, dot));
    if (value && dot != std::string::npos) {
        const auto* table = value->if_object();
        value = table ? table->if_contains(key.substr(dot + 1)) : nullptr;
    }
    if (!value) fail(Errc::invalid_argument, "no setting '{}'; see banger config get", key);
    session.json ? print_json(*value) : print(format_setting(*value) + "\n");
    co_return 0;
}

Task<int> print_config_path(Session& session) {
    const boost::json::object result{{"path", session.paths.config_file}};
    session.json ? print_json(result) : print(session.paths.config_file + "\n");
    co_return 0;
}

void act_without_daemon(CLI::App* command, Invocation& invocation, Action action) {
    command->callback([action = std::move(action), &invocation] {
        invocation.starts_daemon = false;
        invocation.action = action;
    });
}

void add_config(CLI::App& app, Invocation& invocation) {
    auto* config = app.add_subcommand("config", "this user's config.toml");
    config->require_subcommand(1);
    auto key = std::make_shared<std::string>();
    auto value = std::make_shared<std::string>();
    auto* set = add_command(*config, "set", "set a key; other lines stay as they are", invocation);
    set->add_option("key", *key)->required();
    set->add_option("value", *value)->required();
    act_without_daemon(set, invocation, [key, value](Session& session) {
        return set_config(session, *key, *value);
    });
    auto* get = add_command(*config, "get", "print settings, or one", invocation);
    get->add_option("key", *key);
    act_without_daemon(get, invocation,
                       [key](Session& session) { return get_config(session, *key); });
    auto* path = add_command(*config, "path", "print where the file is", invocation);
    act_without_daemon(path, invocation, print_config_path);
}

}  // namespace

void add_other_commands(CLI::App& app, Invocation& invocation) {
    auto* doctor_command =
        add_command(app, "doctor", "check what banger needs of this host", invocation);
    doctor_command->callback([&invocation] { invocation.action = doctor; });
    auto* version_command = add_command(app, "version", "print versions", invocation);
    act_without_daemon(version_command, invocation, version);
    add_config(app, invocation);
}

}  // namespace banger::cli
