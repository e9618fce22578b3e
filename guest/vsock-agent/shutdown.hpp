#pragma once

#include <cstdint>
#include <optional>

#include "guest/vsock-agent/loop.hpp"

namespace banger::guest {

/// Takes the machine down while the agent goes on serving. A systemd is asked first, so that
/// services stop in their order; when it has done its part, or time is up, the rest is done here.
/// `deadline` (boottime_ms): when the host loses patience; without it, kShutdownSeconds from now at
/// the latest.
void begin_shutdown(Loop& loop, bool systemd, bool reboot, std::optional<std::int64_t> deadline);

}  // namespace banger::guest
