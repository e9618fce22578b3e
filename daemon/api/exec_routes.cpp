#include <boost/asio/this_coro.hpp>
#include <exception>
#include <limits>

#include "daemon/api/exec_frames.hpp"
#include "daemon/api/exec_lines.hpp"
#include "daemon/api/routes.hpp"
#include "daemon/operations/failure.hpp"
#include "daemon/vm/exec_session.hpp"
#include "daemon/vm/vm_service.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/notifier.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::api {
namespace {

using vm::ExecEvent;
using vm::ExecSession;

std::optional<std::uint16_t> query_size(const Request& request, std::string_view name) {
    const auto size = request.query_number(name, std::numeric_limits<std::uint16_t>::max());
    if (!size) return std::nullopt;
    return static_cast<std::uint16_t>(*size);
}

void check_command(const ExecRequest& wanted) {
    if (wanted.command.empty() || wanted.command.front().empty()) {
        fail(Errc::invalid_argument, "command: expected a program and its arguments");
    }
}

ExecRequest exec_request_of(const Request& request) {
    ExecRequest wanted{.command = request.query_values("command"),
                       .env = request.query_values("env"),
                       .cwd = request.query_value("cwd"),
                       .user = request.query_value("user"),
                       .tty = request.query_flag("tty"),
                       .stdin = request.query_flag("stdin"),
                       .width = query_size(request, "width"),
                       .height = query_size(request, "height"),
                       .input = {}};
    check_command(wanted);
    return wanted;
}

// Sec-WebSocket-Protocol is a list, in one header or several.
bool offers_protocol(const Request& request, std::string_view protocol) {
    for (const auto& header : request.headers.find_all("Sec-WebSocket-Protocol")) {
        std::string_view rest = header;
        while (!rest.empty()) {
            auto item = rest.substr(0, rest.find(','));
            rest.remove_prefix(std::min(item.size() + 1, rest.size()));
            while (item.starts_with(' '))
                item.remove_prefix(1);
            while (item.ends_with(' '))
                item.remove_suffix(1);
            if (item == protocol) return true;
        }
    }
    return false;
}

/// A process in a guest and the WebSocket it talks through. Output is sent one message at a time
/// and input is read one message at a time, so a slow side slows the other.
struct SocketExec {
    ExecSession& session;
    WebSocket& socket;
    bool standard_out;
    bool standard_error;
    bool standard_in;
};

Task<int> send_output(SocketExec& exec) {
    while (true) {
        const auto event = co_await exec.session.next();
        if (event.kind == ExecEvent::Kind::exited) co_return event.exit_code;
        const bool is_error = event.kind == ExecEvent::Kind::standard_error;
        if (!(is_error ? exec.standard_error : exec.standard_out)) continue;
        const auto channel = is_error ? ExecChannel::standard_error : ExecChannel::standard_out;
        const auto frame = exec_frame(channel, event.bytes);
        co_await exec.socket.send(frame);
    }
}

Task<void> send_output_and_status(SocketExec& exec) {
    std::string status;
    try {
        status = exit_status_json(co_await send_output(exec));
    } catch (const Error&) {
        status = failure_status_json(operations::describe_failure(std::current_exception()));
    }
    const auto frame = exec_frame(ExecChannel::status, status);
    co_await exec.socket.send(frame);
    co_await exec.socket.close();
}

// A process that has closed its standard input, or ended, is no reason to lose its output: what
// comes for it is dropped.
Task<void> write_input(SocketExec& exec, std::span<const std::byte> bytes) {
    if (!exec.standard_in) co_return;
    try {
        co_await exec.session.write_stdin(bytes);
    } catch (const Error&) {
        exec.standard_in = false;
    }
}

Task<void> close_input(SocketExec& exec) {
    if (!exec.standard_in) co_return;
    exec.standard_in = false;
    co_await exec.session.close_stdin();
}

struct WindowSize {
    std::uint16_t Width = 0;
    std::uint16_t Height = 0;
};
BOOST_DESCRIBE_STRUCT(WindowSize, (), (Width, Height))

struct SignalNumber {
    int signal = 0;
};
BOOST_DESCRIBE_STRUCT(SignalNumber, (), (signal))

template <class T>
T parse_control(std::span<const std::byte> bytes, std::string_view what) {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return from_json<T>(parse_json(text, what));
}

Task<void> take_message(SocketExec& exec, std::span<const std::byte> message) {
    if (message.empty()) co_return;
    const auto bytes = message.subspan(1);
    switch (static_cast<ExecChannel>(message[0])) {
        case ExecChannel::standard_in:
            co_await write_input(exec, bytes);
            break;
        case ExecChannel::close:
            if (!bytes.empty() && bytes[0] == std::byte{0}) co_await close_input(exec);
            break;
        case ExecChannel::resize: {
            const auto size = parse_control<WindowSize>(bytes, "the resize message");
            co_await exec.session.resize(size.Width, size.Height);
            break;
        }
        case ExecChannel::signal: {
            const auto signal = parse_control<SignalNumber>(bytes, "the signal message").signal;
            co_await exec.session.signal(signal);
            break;
        }
        default:
            fail(Errc::invalid_argument, "channel {} is not for clients",
                 std::to_integer<int>(message[0]));
    }
}

// Ends when the client closes.
Task<void> take_input(SocketExec& exec) {
    while (const auto message = co_await exec.socket.receive()) {
        co_await take_message(exec, *message);
    }
}

Task<void> write_lines(ExecSession& session, Exchange& exchange) {
    ExecLines lines;
    std::string last;
    try {
        while (last.empty()) {
            auto event = co_await session.next();
            if (event.kind == ExecEvent::Kind::exited) {
                last = lines.exited(event.exit_code);
                break;
            }
            auto text = event.kind == ExecEvent::Kind::standard_out
                            ? lines.standard_out(event.bytes)
                            : lines.standard_error(event.bytes);
            if (!text.empty()) co_await exchange.write(std::move(text));
        }
    } catch (const Error&) {
        last = lines.failed(operations::describe_failure(std::current_exception()));
    }
    co_await exchange.write(std::move(last));
}

// Never finishes: the end of the output is the end.
Task<void> feed(ExecSession& session, const std::optional<std::string>& input) {
    try {
        if (input) {
            co_await session.write_stdin(std::as_bytes(std::span(*input)));
            co_await session.close_stdin();
        }
    } catch (const Error&) {
        // The process has ended or closed its standard input; its output tells.
    }
    Notifier never(co_await boost::asio::this_coro::executor);
    while (true)
        co_await never.wait();
}

}  // namespace

Task<void> exec_by_websocket(const Request& request, Services& services, Exchange& exchange) {
    if (!request.wants_websocket) {
        fail(Errc::unsupported, "GET exec is a WebSocket; without one use POST");
    }
    if (!offers_protocol(request, kExecProtocol)) {
        fail(Errc::unsupported, "the WebSocket must offer the subprotocol {}", kExecProtocol);
    }
    const auto wanted = exec_request_of(request);
    const auto session = co_await services.vms.exec(request.param("vm"), wanted);
    const auto socket = co_await exchange.upgrade(kExecProtocol);
    SocketExec exec{.session = *session,
                    .socket = *socket,
                    .standard_out = request.query_flag("stdout"),
                    .standard_error = request.query_flag("stderr"),
                    .standard_in = wanted.stdin};
    co_await race(send_output_and_status(exec), take_input(exec));
}

Task<void> exec_by_lines(const Request& request, Services& services, Exchange& exchange) {
    auto wanted = parse_body<ExecRequest>(request);
    check_command(wanted);
    const auto input = std::exchange(wanted.input, std::nullopt);
    wanted.stdin = input.has_value();
    const auto session = co_await services.vms.exec(request.param("vm"), wanted);
    co_await exchange.begin(200, "application/x-ndjson");
    co_await race(write_lines(*session, exchange), feed(*session, input));
}

}  // namespace banger::api
