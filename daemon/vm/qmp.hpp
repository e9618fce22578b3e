#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <string>

#include "pipelines/io/task.hpp"

namespace banger::vm {

/// Runs one command of QEMU's Machine Protocol (QMP) on a connection of its own: QEMU serves one
/// client at a time, and ours is not there in between. Returns what the command returns. Throws
/// Error{timed_out} after `limit`, Error{unavailable} when nobody listens or the connection ends
/// early, and Error{internal} with QEMU's words when it refuses. `peer` begins the messages.
Task<boost::json::value> run_qmp(std::string socket, std::string command,
                                 boost::json::object arguments,
                                 std::chrono::steady_clock::duration limit, std::string peer);

}  // namespace banger::vm
