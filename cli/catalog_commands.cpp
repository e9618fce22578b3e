#include <filesystem>
#include <memory>

#include "cli/commands.hpp"
#include "cli/format.hpp"
#include "cli/operation_wait.hpp"
#include "cli/options.hpp"
#include "cli/table.hpp"
#include "pipelines/io/atomic_file.hpp"

namespace banger::cli {
namespace {

constexpr std::size_t kMaxKeyFile = 4096;

/// A .pub file's second line, where there is such a file; otherwise the key itself.
std::string read_key(const std::string& given) {
    if (!std::filesystem::is_regular_file(given)) return given;
    const auto text = read_file(given, kMaxKeyFile);
    const auto begin = text.starts_with("untrusted comment:") ? text.find('\n') + 1 : 0;
    return text.substr(begin, text.find('\n', begin) - begin);
}

/// A path stands for its file.
std::string to_url(const std::string& given) {
    if (given.find("://") != std::string::npos) return given;
    return "file://" + absolute_path(given);
}

void print_catalogs(const std::vector<api::CatalogInfo>& catalogs) {
    Table table({"NAME", "TYPE", "VERSION", "ENTRIES", "SIGNED", "EXPIRES", "URL"});
    for (const auto& catalog : catalogs) {
        const bool known = !catalog.type.empty();
        const bool built_in = catalog.url.empty();
        table.add({catalog.name, catalog.type, known ? std::to_string(catalog.version) : "",
                   known ? std::to_string(catalog.entries) : "",
                   built_in || !catalog.keys.empty() ? "yes" : "no",
                   built_in ? "never" : format_time(catalog.expires),
                   built_in ? "(part of the program)" : catalog.url});
    }
    print(table.render());
    for (const auto& catalog : catalogs) {
        if (!catalog.problem.empty()) say("warning: " + catalog.problem);
    }
}

Task<int> list(Session& session) {
    const auto answer = co_await session.client.get("/v1/catalogs");
    if (session.json) {
        print_json(answer);
    } else {
        print_catalogs(from_json<std::vector<api::CatalogInfo>>(answer));
    }
    co_return 0;
}

Task<int> add(Session& session, api::CatalogAddRequest request) {
    request.url = to_url(request.url);
    for (auto& key : request.keys)
        key = read_key(key);
    const auto result = co_await run_operation(session, "/v1/catalogs", to_json(request));
    if (session.json) {
        print_json(result);
    } else {
        print_catalogs({from_json<api::CatalogInfo>(result)});
    }
    co_return 0;
}

Task<int> refresh(Session& session, std::string name) {
    api::CatalogRefreshRequest request;
    if (!name.empty()) request.name = name;
    const auto result = co_await run_operation(session, "/v1/catalogs/refresh", to_json(request));
    if (session.json) {
        print_json(result);
    } else {
        print_catalogs(from_json<std::vector<api::CatalogInfo>>(result));
    }
    co_return 0;
}

Task<int> remove(Session& session, std::string name) {
    co_await run_removal(session, "/v1/catalogs/" + encode_segment(name));
    const boost::json::object result{{"catalog", name}, {"result", "removed"}};
    session.json ? print_json(result) : print("removed " + name + "\n");
    co_return 0;
}

/// A command about one catalog.
void add_one(CLI::App& parent, const std::string& name, const std::string& help, bool required,
             Task<int> (*act)(Session&, std::string), Invocation& invocation) {
    auto catalog = std::make_shared<std::string>();
    auto* command = add_command(parent, name, help, invocation);
    command->add_option("catalog", *catalog, "name")->required(required);
    if (name == "remove") command->alias("rm");
    command->callback([catalog, act, &invocation] {
        invocation.action = [catalog, act](Session& session) { return act(session, *catalog); };
    });
}

}  // namespace

Task<int> list_available(Session& session, std::string type) {
    const auto answer = co_await session.client.get("/v1/catalog-entries?type=" + type);
    if (session.json) {
        print_json(answer);
        co_return 0;
    }
    Table table(
        {"NAME", "VERSION", "ARCH", "KIND", "DOWNLOAD", "KERNEL", "CATALOG", "DESCRIPTION"});
    for (const auto& entry : from_json<std::vector<api::AvailableEntry>>(answer)) {
        table.add({entry.name, entry.version, entry.arch, entry.kind,
                   entry.size > 0 ? format_bytes(entry.size) : "", entry.kernel_ref, entry.catalog,
                   entry.description});
    }
    print(table.render());
    co_return 0;
}

void add_catalog_commands(CLI::App& app, Invocation& invocation) {
    auto* catalog = app.add_subcommand("catalog", "catalogs: what can be pulled by name");
    catalog->require_subcommand(1);
    auto* list_command = add_command(*catalog, "list", "list catalogs", invocation);
    list_command->alias("ls")->callback([&invocation] { invocation.action = list; });
    auto request = std::make_shared<api::CatalogAddRequest>();
    auto* add_catalog =
        add_command(*catalog, "add", "fetch a catalog, and use it from now on", invocation);
    add_catalog->add_option("name", request->name, "name to give it")->required();
    add_catalog->add_option("url", request->url, "https://, a path, or http:// on loopback")
        ->required();
    add_catalog->add_option("--key", request->keys,
                            "public key of minisign that signs it, or its file; may be repeated");
    add_catalog->callback([request, &invocation] {
        invocation.action = [request](Session& session) { return add(session, *request); };
    });
    add_one(*catalog, "refresh", "fetch catalogs anew", false, refresh, invocation);
    add_one(*catalog, "remove", "forget a catalog; what was pulled stays", true, remove,
            invocation);
}

}  // namespace banger::cli
