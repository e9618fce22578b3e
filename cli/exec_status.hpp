#pragma once

#include <string_view>

namespace banger::cli {

/// The exit status in the status channel's Kubernetes v1.Status: 128+n for signal n. Throws Error
/// when the text says that the command could not be run at all, or says nothing.
int parse_exec_status(std::string_view json);

}  // namespace banger::cli
