#pragma once

#include <string>

#include "guest/vsock-agent/agent_info.hpp"

namespace banger::guest {

/// The hello line, see protocol.hpp.
std::string make_hello(const AgentInfo& info);

}  // namespace banger::guest
