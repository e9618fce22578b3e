#pragma once

#include "guest/vsock-agent/agent_info.hpp"

namespace banger::guest {

/// Serves the host until the machine ends. Returns only when it cannot even begin: an exit status.
int run_agent(AgentInfo& info);

}  // namespace banger::guest
