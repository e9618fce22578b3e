#include "daemon/vm/agent_error.hpp"

#include "daemon/api/types.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/json.hpp"

namespace banger::vm {
namespace {

constexpr std::size_t kLargestAnswer = 1 << 20;

struct ErrorAnswer {
    api::ErrorBody error;
};
BOOST_DESCRIBE_STRUCT(ErrorAnswer, (), (error))

Errc code_of_guest(const std::string& name) {
    constexpr Errc kTheirs[] = {Errc::invalid_argument, Errc::not_found,   Errc::conflict,
                                Errc::unsupported,      Errc::unavailable, Errc::internal};
    for (const auto code : kTheirs) {
        if (to_string(code) == name) return code;
    }
    return Errc::unavailable;
}

}  // namespace

Task<std::string> read_body(Http2Stream& stream, const std::string& peer) {
    std::string body;
    for (;;) {
        auto bytes = co_await stream.read();
        if (bytes.empty()) co_return body;
        body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        if (body.size() > kLargestAnswer) {
            fail(Errc::unavailable, "{} gave an answer of more than 1 MiB", peer);
        }
    }
}

void throw_agent_error(int status, const std::string& answer, const std::string& peer) {
    ErrorAnswer said;
    try {
        said = from_json<ErrorAnswer>(parse_json(answer, "the answer of " + peer));
    } catch (const Error&) {
        fail(Errc::unavailable, "{} answered with status {}", peer, status);
    }
    if (said.error.message.empty())
        fail(Errc::unavailable, "{} answered with status {}", peer, status);
    throw Error(code_of_guest(said.error.code), said.error.message);
}

}  // namespace banger::vm
