#include "cli/exec_status.hpp"

#include <charconv>
#include <optional>
#include <vector>

#include "pipelines/io/error.hpp"
#include "pipelines/io/json.hpp"

namespace banger::cli {
namespace {

struct Cause {
    std::string reason;
    std::string message;
};
BOOST_DESCRIBE_STRUCT(Cause, (), (reason, message))

struct Details {
    std::vector<Cause> causes;
};
BOOST_DESCRIBE_STRUCT(Details, (), (causes))

struct Status {
    std::string status;
    std::string message;
    std::string reason;
    Details details;
};
BOOST_DESCRIBE_STRUCT(Status, (), (status, message, reason, details))

std::optional<int> find_exit_code(const Status& status) {
    for (const auto& cause : status.details.causes) {
        if (cause.reason != "ExitCode") continue;
        int code = 0;
        const auto* end = cause.message.data() + cause.message.size();
        const auto result = std::from_chars(cause.message.data(), end, code);
        if (result.ec == std::errc{} && result.ptr == end && code > 0 && code < 256) return code;
    }
    return std::nullopt;
}

}  // namespace

int parse_exec_status(std::string_view json) {
    const auto status = from_json<Status>(parse_json(json, "the command's status"));
    if (status.status == "Success") return 0;
    if (const auto code = find_exit_code(status)) return *code;
    fail(errc_from_string(status.reason), "{}",
         status.message.empty() ? "the command could not be run" : status.message);
}

}  // namespace banger::cli
