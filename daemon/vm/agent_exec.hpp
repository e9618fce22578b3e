#pragma once

#include <memory>
#include <string>

#include "daemon/api/types.hpp"
#include "daemon/vm/exec_session.hpp"
#include "daemon/vm/http2_stream.hpp"

namespace banger::vm {

/// Sends the exec request on a fresh stream and waits until its process has started.
Task<std::unique_ptr<ExecSession>> start_exec(Http2Stream stream, api::ExecRequest request,
                                              std::string peer);

}  // namespace banger::vm
