#pragma once

#include <string>

#include "guest/vsock-agent/boot_log.hpp"
#include "guest/vsock-agent/exec_request.hpp"

namespace banger::guest {

/// What early init hands to the agent.
struct AgentInfo {
    Timeline timeline;
    ExecDefaults exec;
    std::string boot_id;
    bool image_init = false;  ///< PID 1 is the image's own, else banger's
    bool systemd = false;     ///< and it is systemd
    bool greeted = false;     ///< the timeline has its "agent" mark
};

}  // namespace banger::guest
