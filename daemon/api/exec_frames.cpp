#include "daemon/api/exec_frames.hpp"

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <utility>

#include "pipelines/io/utf8.hpp"

namespace banger::api {

namespace json = boost::json;

std::vector<std::byte> exec_frame(ExecChannel channel, std::span<const std::byte> bytes) {
    std::vector<std::byte> frame;
    frame.reserve(1 + bytes.size());
    frame.push_back(static_cast<std::byte>(channel));
    frame.insert(frame.end(), bytes.begin(), bytes.end());
    return frame;
}

std::vector<std::byte> exec_frame(ExecChannel channel, std::string_view text) {
    return exec_frame(channel, std::as_bytes(std::span(text)));
}

std::string exit_status_json(int exit_code) {
    json::object status{{"metadata", json::object()}, {"status", "Success"}};
    if (exit_code != 0) {
        const auto code = std::to_string(exit_code);
        status["status"] = "Failure";
        status["reason"] = "NonZeroExitCode";
        status["message"] = "command terminated with exit code " + code;
        status["details"] = {
            {"causes", json::array{json::object{{"reason", "ExitCode"}, {"message", code}}}}};
    }
    return json::serialize(status);
}

std::string failure_status_json(ErrorBody error) {
    const json::object status{{"metadata", json::object()},
                              {"status", "Failure"},
                              {"reason", error.code},
                              {"message", replace_invalid_utf8(std::move(error.message))}};
    return json::serialize(status);
}

}  // namespace banger::api
