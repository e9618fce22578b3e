#include "cli/credential_helper.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>

#include "pipelines/io/error.hpp"
#include "pipelines/io/subprocess.hpp"

namespace banger::cli {
namespace {

constexpr std::chrono::seconds kLimit{30};
constexpr std::size_t kMaxOutput = 64 * 1024;
constexpr std::size_t kMaxShown = 200;
/// What every helper says, on standard output, when it has nothing.
constexpr std::string_view kNotFound = "credentials not found in native keychain";

/// Helpers explain themselves on either stream.
std::string complaint(const RunResult& result) {
    auto text = result.out.empty() ? result.err : result.out;
    text = text.substr(0, std::min(text.find_first_of("\r\n"), kMaxShown));
    return text.empty() ? "" : ": " + text;
}

/// What it printed; nullopt when it has no such login.
Task<std::optional<std::string>> call_helper(image::HelperCall call, std::string verb,
                                             std::string input) {
    const auto result = co_await run({call.program, verb}, kLimit, std::move(input));
    if (result.out.size() > kMaxOutput) {
        fail(Errc::unavailable, "{} printed more than {} bytes", call.program, kMaxOutput);
    }
    if (result.status.success()) co_return result.out;
    if (result.out.find(kNotFound) != std::string::npos) co_return std::nullopt;
    fail(Errc::unavailable, "{} {} ended with {}{}", call.program, verb, result.status.describe(),
         complaint(result));
}

}  // namespace

Task<std::optional<image::Credential>> ask_helper(image::HelperCall call) {
    const auto answer = co_await call_helper(call, "get", call.server + "\n");
    if (!answer) co_return std::nullopt;
    try {
        co_return image::parse_helper_answer(*answer);
    } catch (const Error&) {
        // Its own words might show the secret.
        fail(Errc::unavailable, "{} printed no login in JSON", call.program);
    }
}

Task<void> store_with_helper(image::HelperCall call, image::Credential credential) {
    const boost::json::object login{{"ServerURL", call.server},
                                    {"Username", credential.username},
                                    {"Secret", credential.password}};
    co_await call_helper(call, "store", boost::json::serialize(login));
}

Task<bool> erase_with_helper(image::HelperCall call) {
    if (!co_await call_helper(call, "get", call.server + "\n")) co_return false;
    co_await call_helper(call, "erase", call.server + "\n");
    co_return true;
}

}  // namespace banger::cli
