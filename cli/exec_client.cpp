#include "cli/exec_client.hpp"

#include <unistd.h>

#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <span>

#include "cli/exec_status.hpp"
#include "cli/stdio.hpp"
#include "cli/terminal.hpp"
#include "pipelines/io/notifier.hpp"
#include "pipelines/io/task_group.hpp"
#include "pipelines/io/wait.hpp"
#include "pipelines/io/websocket.hpp"

namespace banger::cli {
namespace {

// Channels of v5.channel.k8s.io, and `signal`, which is ours (docs/openapi.yaml).
enum class Channel : unsigned char {
    standard_in = 0,
    standard_out = 1,
    standard_error = 2,
    status = 3,
    resize = 4,
    signal = 5,
    close = 255,
};

constexpr char kSubprotocol[] = "v5.channel.k8s.io";
constexpr int kBrokenPipe = 128 + SIGPIPE;
constexpr int kInterruptsToLeave = 3;
constexpr auto kInARow = std::chrono::seconds(3);
// A command that does not read its input keeps what is sent after that from it, signals too.
constexpr auto kSignalLimit = std::chrono::seconds(1);
// A message and its channel byte fit one frame of the guest protocol.
constexpr std::size_t kStdinPiece = 60 * 1024;

class ExecRun {
  public:
    ExecRun(Session& session, Interrupts& interrupts, ExecPlan plan)
        : session_(session),
          interrupts_(interrupts),
          plan_(std::move(plan)),
          sent_(session.executor) {}

    Task<int> run();

  private:
    Task<int> receive_until_status();
    Task<void> feed();
    Task<void> pump_stdin();
    Task<void> forward_signals();
    Task<void> forward_signal(int signal);
    Task<void> forward_resizes();
    Task<bool> send(Channel channel, std::span<const std::byte> payload);
    Task<void> send_text(Channel channel, std::string text);
    Task<void> send_size();

    Session& session_;
    Interrupts& interrupts_;
    ExecPlan plan_;
    std::unique_ptr<WebSocket> socket_;
    bool sending_ = false;
    Notifier sent_;
};

Task<int> ExecRun::run() {
    WebSocketRequest request;
    request.unix_socket = session_.client.socket();
    request.target = exec_target(plan_);
    request.subprotocol = kSubprotocol;
    socket_ = co_await connect_websocket(session_.executor, std::move(request));
    std::optional<RawTerminal> raw;
    if (plan_.tty) raw.emplace(STDIN_FILENO);
    auto first = co_await race(receive_until_status(), feed());
    co_return std::get<0>(first);
}

Task<int> ExecRun::receive_until_status() {
    while (const auto message = co_await socket_->receive()) {
        if (message->empty()) continue;
        const auto payload = std::span(*message).subspan(1);
        const auto channel = static_cast<Channel>(message->front());
        if (channel == Channel::status) {
            const auto* text = reinterpret_cast<const char*>(payload.data());
            co_return parse_exec_status({text, payload.size()});
        }
        const bool is_out = channel == Channel::standard_out;
        if (!is_out && channel != Channel::standard_error) continue;
        const auto fd = is_out ? STDOUT_FILENO : STDERR_FILENO;
        if (!co_await write_fd(session_.pool, fd, payload)) co_return kBrokenPipe;
    }
    fail(Errc::unavailable,
         "the connection to '{}' ended before the command did; it may run on, its output is lost",
         plan_.title);
}

/// Never returns by itself: the command's end cancels it.
Task<void> ExecRun::feed() {
    TaskGroup group(session_.executor);
    group.spawn(forward_signals());
    if (plan_.tty) group.spawn(forward_resizes());
    if (plan_.stdin) group.spawn(pump_stdin());
    co_await group.join();
}

Task<void> ExecRun::pump_stdin() {
    std::vector<std::byte> buffer(kStdinPiece);
    while (const auto got = co_await read_fd(session_.pool, STDIN_FILENO, buffer)) {
        if (!co_await send(Channel::standard_in, std::span(buffer).first(got))) co_return;
    }
    const std::byte closed{static_cast<unsigned char>(Channel::standard_in)};
    co_await send(Channel::close, std::span(&closed, 1));
}

Task<void> ExecRun::forward_signals() {
    auto last = std::chrono::steady_clock::time_point{};
    for (int in_a_row = 1;; ++in_a_row) {
        const auto signal = co_await interrupts_.next();
        const auto now = std::chrono::steady_clock::now();
        if (now - last > kInARow) in_a_row = 1;
        last = now;
        if (signal == SIGHUP || in_a_row == kInterruptsToLeave) {
            throw Interrupted(signal,
                              fmt::format("left '{}' before its end", plan_.command.front()));
        }
        co_await forward_signal(signal);
    }
}

/// Leaves when it cannot be sent: the end of the connection hangs up on the command.
Task<void> ExecRun::forward_signal(int signal) {
    auto sent = send_text(Channel::signal, fmt::format(R"({{"signal":{}}})", signal));
    try {
        co_await with_timeout(kSignalLimit, std::move(sent), "");
    } catch (const Error& error) {
        if (error.code() != Errc::timed_out) throw;
        throw Interrupted(signal, fmt::format("left '{}', which takes no input and so no signal",
                                              plan_.command.front()));
    }
}

Task<void> ExecRun::forward_resizes() {
    boost::asio::signal_set resized(session_.executor, SIGWINCH);
    for (;;) {
        co_await resized.async_wait(boost::asio::use_awaitable);
        co_await send_size();
    }
}

Task<void> ExecRun::send_size() {
    const auto size = terminal_size(STDIN_FILENO);
    co_await send_text(Channel::resize,
                       fmt::format(R"({{"Width":{},"Height":{}}})", size.columns, size.lines));
}

Task<void> ExecRun::send_text(Channel channel, std::string text) {
    co_await send(channel, std::as_bytes(std::span(text)));
}

/// One at a time, whoever sends. False when the peer takes no more: whether that is an error is for
/// the receiving side to say, which may have the command's status already.
Task<bool> ExecRun::send(Channel channel, std::span<const std::byte> payload) {
    while (sending_)
        co_await sent_.wait();
    sending_ = true;
    std::vector<std::byte> message{std::byte{static_cast<unsigned char>(channel)}};
    message.insert(message.end(), payload.begin(), payload.end());
    bool delivered = true;
    try {
        co_await socket_->send(message);
    } catch (const Error& error) {
        if (error.code() != Errc::unavailable) throw;
        delivered = false;
    }
    sending_ = false;
    sent_.notify();
    co_return delivered;
}

std::string flag(const char* name, bool value) {
    return fmt::format("&{}={}", name, value ? "true" : "false");
}

std::string parameter(const char* name, const std::string& value) {
    return value.empty() ? "" : fmt::format("&{}={}", name, encode_segment(value));
}

std::string tty_parameters() {
    const auto size = terminal_size(STDIN_FILENO);
    auto out = fmt::format("&width={}&height={}", size.columns, size.lines);
    if (const char* term = std::getenv("TERM"))
        out += parameter("env", fmt::format("TERM={}", term));
    return out;
}

}  // namespace

std::string exec_target(const ExecPlan& plan) {
    auto target = "/v1/vms/" + encode_segment(plan.vm) + "/exec?stdout=true&stderr=true";
    target += flag("stdin", plan.stdin) + flag("tty", plan.tty);
    for (const auto& word : plan.command)
        target += "&command=" + encode_segment(word);
    // What the user sets comes last and wins.
    if (plan.tty) target += tty_parameters();
    for (const auto& variable : plan.env)
        target += parameter("env", variable);
    return target + parameter("cwd", plan.cwd) + parameter("user", plan.user);
}

Task<int> exec_in_vm(Session& session, Interrupts& interrupts, ExecPlan plan) {
    if (plan.title.empty()) plan.title = plan.vm;
    ExecRun run(session, interrupts, std::move(plan));
    co_return co_await run.run();
}

}  // namespace banger::cli
