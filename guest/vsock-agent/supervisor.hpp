#pragma once

#include "guest/vsock-agent/agent_info.hpp"

namespace banger::guest {

/// Forks the supervisor, which keeps an agent running: a crashed one is forked again, backing off.
/// 0 or -errno.
int start_agent(AgentInfo& info);

}  // namespace banger::guest
