#pragma once

#include <string>

#include "daemon/vm/http2_stream.hpp"

namespace banger::vm {

/// All of a small response; throws Error{unavailable} beyond 1 MiB.
Task<std::string> read_body(Http2Stream& stream, const std::string& peer);

/// Throws what an agent's error answer says: {"error":{"code","message"}}. A code that agents have
/// no use for is `unavailable`: a guest must not speak as the daemon does with itself
/// (`cancelled`).
[[noreturn]] void throw_agent_error(int status, const std::string& answer, const std::string& peer);

}  // namespace banger::vm
