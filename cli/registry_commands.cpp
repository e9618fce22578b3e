#include <unistd.h>

#include <array>
#include <memory>

#include "cli/auth_files.hpp"
#include "cli/commands.hpp"
#include "cli/credential_helper.hpp"
#include "cli/interrupts.hpp"
#include "cli/registry_login.hpp"
#include "cli/stdio.hpp"
#include "cli/terminal.hpp"
#include "pipelines/image/registry/reference.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::cli {
namespace {

constexpr std::size_t kMaxSecret = 64 * 1024;

struct LoginArguments {
    std::string registry;
    std::string username;
    bool password_stdin = false;
};

/// Up to the end of the input, or of the line.
Task<std::string> read_text(BlockingPool& pool, bool one_line) {
    std::string text;
    std::array<char, 1024> buffer{};
    for (;;) {
        const auto got =
            co_await read_fd(pool, STDIN_FILENO, std::as_writable_bytes(std::span(buffer)));
        text.append(buffer.data(), got);
        if (text.size() > kMaxSecret) {
            fail(Errc::invalid_argument, "the password is longer than {} bytes", kMaxSecret);
        }
        if (got == 0 || (one_line && text.find('\n') != std::string::npos)) break;
    }
    if (text.ends_with('\n')) text.pop_back();
    if (text.ends_with('\r')) text.pop_back();
    co_return text;
}

/// Asks on the terminal. A signal gives the terminal its echo back before it ends us.
Task<std::string> prompt(Session& session, std::string question, bool hidden) {
    Interrupts interrupts(session.executor);
    // Before the question: whoever answers at once would be heard, and then thrown away.
    std::optional<HiddenInput> no_echo;
    if (hidden) no_echo.emplace(STDIN_FILENO);
    std::fwrite(question.data(), 1, question.size(), stderr);
    auto first = co_await race(read_text(session.pool, true), interrupts.next());
    if (hidden) std::fputc('\n', stderr);
    if (first.index() == 1) throw Interrupted(std::get<1>(first), "the login was interrupted");
    co_return std::get<0>(std::move(first));
}

Task<image::Credential> ask_for_login(Session& session, LoginArguments arguments) {
    image::Credential credential{.username = std::move(arguments.username)};
    if (arguments.password_stdin) {
        if (credential.username.empty()) {
            fail(Errc::invalid_argument, "--password-stdin goes with a user name: -u USER");
        }
        credential.password = co_await read_text(session.pool, false);
    } else if (!is_terminal(STDIN_FILENO)) {
        fail(Errc::invalid_argument,
             "standard input is no terminal to ask for the password on; use --password-stdin");
    } else {
        if (credential.username.empty()) {
            credential.username = co_await prompt(session, "user name: ", false);
        }
        credential.password = co_await prompt(session, "password: ", true);
    }
    if (credential.username.empty() || credential.password.empty()) {
        fail(Errc::invalid_argument, "a login has a user name and a password");
    }
    if (credential.username.find(':') != std::string::npos) {
        fail(Errc::invalid_argument, "a user name has no colon in it");
    }
    co_return credential;
}

/// Where the login went, in words.
Task<std::string> keep(std::string domain, image::Credential credential) {
    const auto place = place_for_login();
    const auto file = place.exists() ? read_auth_file(place) : image::AuthFile{};
    const auto helper = image::find_helper(file, domain);
    if (!helper) {
        write_login(place, domain, credential);
        co_return place.path;
    }
    co_await store_with_helper(*helper, credential);
    // As Docker leaves it: whoever reads the file sees that there is a login.
    write_login(place, domain, {});
    co_return helper->program;
}

Task<int> log_in(Session& session, LoginArguments arguments) {
    const auto domain = image::parse_registry(arguments.registry);
    const auto credential = co_await ask_for_login(session, std::move(arguments));
    const api::RegistryCheckRequest request{.registry = domain,
                                            .registry_auth = to_registry_auth(credential)};
    co_await session.client.post("/v1/registries/check", to_json(request));
    const auto kept = co_await keep(domain, credential);
    const boost::json::object result{{"registry", domain}, {"kept_in", kept}};
    session.json ? print_json(result)
                 : print(fmt::format("logged in to {}; kept in {}\n", domain, kept));
    co_return 0;
}

Task<int> log_out(Session& session, std::string registry) {
    const auto domain = image::parse_registry(registry);
    bool found = false;
    for (const auto& place : auth_places()) {
        if (!place.exists()) continue;
        if (const auto helper = image::find_helper(read_auth_file(place), domain)) {
            found = co_await erase_with_helper(*helper) || found;
        }
        found = erase_login(place, domain) || found;
    }
    if (!found) fail(Errc::not_found, "there is no login for {}", domain);
    const boost::json::object result{{"registry", domain}, {"result", "logged out"}};
    session.json ? print_json(result) : print(fmt::format("logged out of {}\n", domain));
    co_return 0;
}

}  // namespace

void add_registry_commands(CLI::App& app, Invocation& invocation) {
    auto* registry = app.add_subcommand("registry", "logins of private registries");
    registry->require_subcommand(1);
    auto arguments = std::make_shared<LoginArguments>();
    auto* login =
        add_command(*registry, "login",
                    "log in, and keep the login where Docker or podman keep theirs", invocation);
    login
        ->add_option("registry", arguments->registry, "host or host:port; docker.io for Docker Hub")
        ->required();
    login->add_option("-u,--username", arguments->username, "default: ask");
    login->add_flag("--password-stdin", arguments->password_stdin,
                    "read the password from standard input; default: ask");
    login->callback([arguments, &invocation] {
        invocation.action = [arguments](Session& session) { return log_in(session, *arguments); };
    });
    auto host = std::make_shared<std::string>();
    auto* logout = add_command(*registry, "logout", "forget a login", invocation);
    logout->add_option("registry", *host)->required();
    logout->callback([host, &invocation] {
        invocation.starts_daemon = false;
        invocation.action = [host](Session& session) { return log_out(session, *host); };
    });
}

}  // namespace banger::cli
