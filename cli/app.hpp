#pragma once

namespace banger::cli {

/// The whole command: parses, acts, and turns every error into one sentence on standard error.
/// Returns the exit status: 0; 1 failed; 2 usage; 3 no daemon; otherwise the remote command's.
int run(int argc, char** argv);

}  // namespace banger::cli
