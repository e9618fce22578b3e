#pragma once

#include "daemon/config.hpp"
#include "daemon/paths.hpp"

namespace banger {

/// bangerd from start to end. Start: state lock, directories, store, reconciliation (VMs that still
/// run are adopted), then the socket (or systemd's) and READY=1. End, on SIGTERM, SIGINT or POST
/// /v1/daemon/stop: no more clients, operations cancelled and joined, VMs let go of (they keep
/// running), ring and threads ended. Returns 0; throws Error when it cannot start.
int run_daemon(const Config& config, const Paths& paths);

}  // namespace banger
