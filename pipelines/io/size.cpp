#include "pipelines/io/size.hpp"

#include <boost/algorithm/string/case_conv.hpp>
#include <cctype>
#include <charconv>
#include <cmath>

#include "pipelines/io/error.hpp"

namespace banger {
namespace {

constexpr int kNoUnit = -1;

/// The power of 1024 that a unit stands for.
int find_exponent(std::string_view unit) {
    const auto lower = boost::algorithm::to_lower_copy(std::string(unit));
    if (lower.empty()) return 2;
    if (lower == "b") return 0;
    const auto exponent = std::string_view("kmgt").find(lower.front());
    const auto rest = lower.substr(1);
    const bool known =
        exponent != std::string_view::npos && (rest.empty() || rest == "b" || rest == "ib");
    return known ? static_cast<int>(exponent) + 1 : kNoUnit;
}

}  // namespace

std::uint64_t parse_size(std::string_view text) {
    double number = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    const auto exponent = find_exponent(text.substr(static_cast<std::size_t>(end - text.data())));
    const bool starts_with_digit =
        !text.empty() && std::isdigit(static_cast<unsigned char>(text.front()));
    if (error != std::errc{} || !starts_with_digit || exponent == kNoUnit) {
        fail(Errc::invalid_argument, "'{}' is not a size; write 512M, 4G or 4GiB", text);
    }
    const auto bytes = std::ldexp(number, 10 * exponent);
    // Above 2^53 a double is no longer exact, and no disk of ours is that large.
    if (bytes > std::ldexp(1.0, 53)) fail(Errc::invalid_argument, "size '{}' is too large", text);
    if (bytes < 1) fail(Errc::invalid_argument, "size '{}' is nothing", text);
    return static_cast<std::uint64_t>(bytes);
}

}  // namespace banger
