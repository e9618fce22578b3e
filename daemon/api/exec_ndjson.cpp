#include <boost/asio/this_coro.hpp>
#include <exception>
#include <utility>

#include "daemon/api/exec_lines.hpp"
#include "daemon/api/exec_request.hpp"
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

// Gives the last line.
Task<std::string> write_output(ExecSession& session, Exchange& exchange, ExecLines& lines) {
    while (true) {
        const auto event = co_await session.next();
        if (event.kind == ExecEvent::Kind::exited) co_return lines.exited(event.exit_code);
        const bool is_error = event.kind == ExecEvent::Kind::standard_error;
        co_await exchange.write(is_error ? lines.standard_error(event.bytes)
                                         : lines.standard_out(event.bytes));
    }
}

Task<void> write_lines(ExecSession& session, Exchange& exchange) {
    ExecLines lines;
    std::string last;
    try {
        last = co_await write_output(session, exchange, lines);
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
