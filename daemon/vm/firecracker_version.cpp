#include "daemon/vm/firecracker_version.hpp"

#include <array>
#include <charconv>

#include "pipelines/io/error.hpp"
#include "pipelines/io/subprocess.hpp"

namespace banger::vm {
namespace {

constexpr auto kLimit = std::chrono::seconds(10);
constexpr std::string_view kName = "Firecracker v";

}  // namespace

std::string FirecrackerVersion::text() const {
    return fmt::format("{}.{}.{}", major, minor, patch);
}

std::optional<FirecrackerVersion> parse_firecracker_version(std::string_view text) {
    if (!text.starts_with(kName)) return std::nullopt;
    text.remove_prefix(kName.size());
    std::array<int, 3> numbers{};
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        if (i > 0) {
            if (!text.starts_with('.')) return std::nullopt;
            text.remove_prefix(1);
        }
        auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), numbers[i]);
        if (error != std::errc() || numbers[i] < 0) return std::nullopt;
        text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    }
    return FirecrackerVersion{numbers[0], numbers[1], numbers[2]};
}

Task<FirecrackerVersion> ask_firecracker_version(std::string binary) {
    const auto result = co_await run({binary, "--version"}, kLimit);
    const auto line = result.out.substr(0, result.out.find('\n'));
    const auto version = parse_firecracker_version(line);
    if (!result.status.success() || !version) {
        fail(Errc::unsupported, "'{} --version' is not Firecracker's ({}: '{}')", binary,
             result.status.describe(), line);
    }
    if (*version < kOldestFirecracker) {
        fail(Errc::unsupported, "Firecracker {} is too old; {} or newer is needed", version->text(),
             kOldestFirecracker.text());
    }
    co_return *version;
}

}  // namespace banger::vm
