#pragma once

namespace banger::guest {

/// PID 1 from power-on: makes the root, the network and the agent, then becomes the machine's init.
[[noreturn]] void run_early_init();

}  // namespace banger::guest
