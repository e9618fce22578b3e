#pragma once

#include <string>

namespace banger {

/// The present time in UTC as RFC 3339 has it, to the millisecond: "2026-11-20T12:00:00.000Z".
std::string now_rfc3339();

}  // namespace banger
