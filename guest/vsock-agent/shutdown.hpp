#pragma once

#include "guest/vsock-agent/loop.hpp"

namespace banger::guest {

/// Takes the machine down while the agent goes on serving. A systemd is asked first, so that
/// services stop in their order; when it has done its part, or time is up, the rest is done here.
void begin_shutdown(Loop& loop, bool systemd, bool reboot);

}  // namespace banger::guest
