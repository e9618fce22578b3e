#pragma once

#include <string>
#include <string_view>

namespace banger::cli {

/// How a remote command ended: the status channel's Kubernetes v1.Status.
struct ExecStatus {
    int exit_code = 0;    ///< 128+n for signal n
    std::string message;  ///< the daemon's words; empty on success
};

/// Throws Error when the text says that the command could not be run at all, or says nothing.
ExecStatus parse_exec_status(std::string_view json);

}  // namespace banger::cli
