#include "daemon/vm/hello.hpp"

#include "guest/vsock-agent/protocol.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/json.hpp"

namespace banger::vm {
namespace {

const std::string kMark = "\n" + std::string(guest::kHelloPrefix);
constexpr std::size_t kLongestLine = 64 * 1024;

std::optional<Hello> parse_hello(std::string_view text) {
    try {
        return from_json<Hello>(parse_json(text, "the agent's hello"));
    } catch (const Error&) {
        return std::nullopt;
    }
}

}  // namespace

std::optional<Hello> HelloScanner::feed(std::string_view bytes) {
    buffer_ += bytes;
    for (;;) {
        auto mark = buffer_.find(kMark);
        if (mark == std::string::npos) {
            // The mark may have begun: its first bytes stay.
            if (buffer_.size() > kMark.size()) buffer_.erase(0, buffer_.size() - kMark.size());
            return std::nullopt;
        }
        buffer_.erase(0, mark);
        auto end = buffer_.find('\n', 1);
        if (end == std::string::npos && buffer_.size() <= kLongestLine) return std::nullopt;
        if (auto hello = take_line()) return hello;
    }
}

std::optional<Hello> HelloScanner::take_line() {
    auto end = buffer_.find('\n', 1);
    if (end == std::string::npos) {
        buffer_.erase(0, kMark.size());
        return std::nullopt;
    }
    auto hello = parse_hello(std::string_view(buffer_).substr(kMark.size(), end - kMark.size()));
    // The line feed stays for now: after a broken line it may begin the next mark.
    buffer_.erase(0, end);
    if (!hello) return std::nullopt;
    buffer_.erase(0, 1);
    if (hello->version != guest::kProtocolVersion) {
        fail(Errc::unsupported, "the guest's agent speaks protocol {}, this banger speaks {}",
             hello->version, guest::kProtocolVersion);
    }
    return hello;
}

}  // namespace banger::vm
