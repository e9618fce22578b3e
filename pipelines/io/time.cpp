#include "pipelines/io/time.hpp"

#include <fmt/chrono.h>
#include <time.h>

#include <chrono>
#include <cstdio>

namespace banger {
namespace {

/// "Z", "+02:00" or "-0730", in seconds east of Greenwich.
std::optional<std::int64_t> parse_zone(const char* text) {
    if (*text == 'Z' || *text == 'z') return 0;
    int hours = 0, minutes = 0;
    char sign = 0;
    if (std::sscanf(text, "%c%2d:%2d", &sign, &hours, &minutes) != 3) return std::nullopt;
    if (sign != '+' && sign != '-') return std::nullopt;
    return (sign == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
}

}  // namespace

std::string now_rfc3339() {
    return to_rfc3339(std::chrono::system_clock::now());
}

std::string to_rfc3339(std::chrono::system_clock::time_point time) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch());
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                       fmt::gmtime(std::chrono::system_clock::to_time_t(time)), ms.count() % 1000);
}

std::optional<std::int64_t> parse_rfc3339(const std::string& text) {
    std::tm parts{};
    const char* rest = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
    if (rest == nullptr) return std::nullopt;
    if (*rest == '.') {
        do
            ++rest;
        while (*rest >= '0' && *rest <= '9');
    }
    const auto zone = parse_zone(rest);
    if (!zone) return std::nullopt;
    return ::timegm(&parts) - *zone;
}

}  // namespace banger
