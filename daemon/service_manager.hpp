#pragma once

#include <string_view>

namespace banger {

/// Tells systemd how the daemon fares ("READY=1", "STOPPING=1", "STATUS=…"); does nothing when it
/// was not started by systemd. The protocol of sd_notify(3), so that libsystemd is not needed.
void notify_service_manager(std::string_view state);

}  // namespace banger
