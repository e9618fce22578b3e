#pragma once

#include "guest/vsock-agent/settings.hpp"

namespace banger::guest {

/// Which program is PID 1 after early init.
struct Handover {
    bool image_init = false;  ///< the image's /sbin/init, else banger's own
    bool systemd = false;     ///< and that is a systemd
};

/// Looks at the root; the choice "auto" takes the image's init only when it is a systemd.
Handover choose_init(InitChoice choice);

/// Becomes PID 1 for good. An image's init that cannot be executed is replaced by banger's.
[[noreturn]] void hand_over(const Handover& handover);

}  // namespace banger::guest
