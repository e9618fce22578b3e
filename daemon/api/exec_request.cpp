#include "daemon/api/exec_request.hpp"

#include <limits>

#include "pipelines/io/error.hpp"

namespace banger::api {
namespace {

std::optional<std::uint16_t> query_size(const Request& request, std::string_view name) {
    const auto size = request.query_number(name, std::numeric_limits<std::uint16_t>::max());
    if (!size) return std::nullopt;
    return static_cast<std::uint16_t>(*size);
}

}  // namespace

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

void check_command(const ExecRequest& wanted) {
    if (wanted.command.empty() || wanted.command.front().empty()) {
        fail(Errc::invalid_argument, "command: expected a program and its arguments");
    }
}

}  // namespace banger::api
