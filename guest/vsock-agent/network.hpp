#pragma once

#include <optional>

#include "guest/vsock-agent/settings.hpp"

namespace banger::guest {

/// Brings up lo and, when there are settings, the first virtio interface: address and default
/// route. A link that is not there yet is waited for by a child of its own, so that nothing else
/// waits.
void set_network_up(const std::optional<NetworkSettings>& settings);

}  // namespace banger::guest
