#include <algorithm>
#include <exception>
#include <utility>

#include "daemon/api/exec_frames.hpp"
#include "daemon/api/exec_request.hpp"
#include "daemon/api/routes.hpp"
#include "daemon/operations/failure.hpp"
#include "daemon/vm/exec_session.hpp"
#include "daemon/vm/vm_service.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::api {
namespace {

using vm::ExecEvent;
using vm::ExecSession;

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

// What a process cannot take any more, because it has ended or closed its input, is dropped: its
// output and status still come.
Task<bool> deliver(Task<void> step) {
    try {
        co_await std::move(step);
    } catch (const Error&) {
        co_return false;
    }
    co_return true;
}

Task<void> write_input(SocketExec& exec, std::span<const std::byte> bytes) {
    if (exec.standard_in) exec.standard_in = co_await deliver(exec.session.write_stdin(bytes));
}

Task<void> close_input(SocketExec& exec) {
    if (std::exchange(exec.standard_in, false)) co_await deliver(exec.session.close_stdin());
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
            co_await deliver(exec.session.resize(size.Width, size.Height));
            break;
        }
        case ExecChannel::signal: {
            const auto signal = parse_control<SignalNumber>(bytes, "the signal message").signal;
            co_await deliver(exec.session.signal(signal));
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

}  // namespace banger::api
