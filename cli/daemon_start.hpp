#pragma once

#include <string>

#include "cli/session.hpp"
#include "pipelines/io/task.hpp"

namespace banger::cli {

/// True when something accepts connections on the socket.
bool daemon_answers(const std::string& socket);

/// Starts bangerd for this user when none answers: the one beside our own binary, else the one in
/// PATH, in a session of its own, logging to <state>/bangerd.log. Two of us at once start one.
/// Throws DaemonUnreachable with the log's last line when it does not come up.
Task<void> ensure_daemon(Session& session);

}  // namespace banger::cli
