#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace banger {

/// The present time in UTC as RFC 3339 has it, to the millisecond: "2026-11-20T12:00:00.000Z".
std::string now_rfc3339();
std::string to_rfc3339(std::chrono::system_clock::time_point time);
/// Seconds since 1970; nullopt for what is no such time. Fractions are cut off.
std::optional<std::int64_t> parse_rfc3339(const std::string& text);

}  // namespace banger
