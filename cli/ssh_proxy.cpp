#include <unistd.h>

#include <boost/asio/use_awaitable.hpp>
#include <memory>

#include "cli/commands.hpp"
#include "cli/stdio.hpp"
#include "pipelines/io/wait.hpp"
#include "pipelines/io/websocket.hpp"

namespace banger::cli {
namespace {

constexpr char kSubprotocol[] = "tcp.banger";
constexpr std::size_t kPiece = 64 * 1024;

struct ProxyOptions {
    std::string vm;
    std::uint16_t port = 22;
};

/// "box.vm" is how ssh's configuration tells our hosts from others.
std::string without_suffix(const std::string& name) {
    constexpr std::string_view kSuffix = ".vm";
    return name.ends_with(kSuffix) ? name.substr(0, name.size() - kSuffix.size()) : name;
}

/// An empty message is the end of its direction (docs/openapi.yaml).
Task<void> send_input(Session& session, WebSocket& socket) {
    std::vector<std::byte> piece(kPiece);
    for (;;) {
        const auto got = co_await read_fd(session.pool, STDIN_FILENO, piece);
        co_await socket.send(std::span(piece).first(got));
        if (got == 0) break;
    }
    // The other direction's end is the end of all.
    for (;;)
        co_await sleep_for(std::chrono::hours(1));
}

Task<void> receive_output(Session& session, WebSocket& socket, const ProxyOptions& options) {
    for (;;) {
        const auto message = co_await socket.receive();
        if (!message) {
            fail(Errc::unavailable, "the connection to port {} of '{}' broke", options.port,
                 options.vm);
        }
        if (message->empty()) co_return;
        if (!co_await write_fd(session.pool, STDOUT_FILENO, *message)) co_return;
    }
}

Task<int> proxy(Session& session, ProxyOptions options) {
    WebSocketRequest request;
    request.unix_socket = session.client.socket();
    request.target = fmt::format("/v1/vms/{}/connect?port={}",
                                 encode_segment(without_suffix(options.vm)), options.port);
    request.subprotocol = kSubprotocol;
    const auto socket = co_await connect_websocket(session.executor, std::move(request));
    co_await race(receive_output(session, *socket, options), send_input(session, *socket));
    co_return 0;
}

}  // namespace

void add_ssh_proxy(CLI::App& app, Invocation& invocation) {
    auto options = std::make_shared<ProxyOptions>();
    auto* command = add_command(app, "ssh-proxy",
                                "join standard input and output to a port of a VM", invocation);
    command->add_option("vm", options->vm, "name or id; a name may end in .vm")->required();
    command->add_option("port", options->port, "of the guest; default: 22")
        ->check(CLI::Range(1, 65535));
    command->footer("ssh -o ProxyCommand='banger ssh-proxy %h %p' root@box");
    command->callback([options, &invocation] {
        invocation.action = [options](Session& session) { return proxy(session, *options); };
    });
}

}  // namespace banger::cli
