#pragma once

#include <string>
#include <vector>

#include "cli/interrupts.hpp"
#include "cli/session.hpp"
#include "pipelines/io/task.hpp"

namespace banger::cli {

/// A command to run in a VM, with our standard streams as its own.
struct ExecPlan {
    std::string vm;     ///< name or id
    std::string title;  ///< what people call it; default: vm
    std::vector<std::string> command;
    std::vector<std::string> env;
    std::string cwd;
    std::string user;
    bool tty = false;
    bool stdin = true;
};

/// Path and query of the WebSocket request.
std::string exec_target(const ExecPlan& plan);

/// Runs it and returns its exit status: 128+n for signal n; 141 when nobody reads our output any
/// more. With a tty the local terminal is raw meanwhile. SIGINT, SIGTERM and SIGQUIT are passed on;
/// the third within seconds, one that cannot be sent within a second, or SIGHUP, throws
/// Interrupted.
Task<int> exec_in_vm(Session& session, Interrupts& interrupts, ExecPlan plan);

}  // namespace banger::cli
