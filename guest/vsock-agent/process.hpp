#pragma once

#include <sys/types.h>

#include "guest/vsock-agent/exec_request.hpp"
#include "guest/vsock-agent/fd.hpp"

namespace banger::guest {

/// A started process, leader of its own session and process group, with our ends of its descriptors
/// (non-blocking). With a tty all three are the terminal: `standard_in` writes, `standard_out`
/// reads.
struct Process {
    pid_t pid = -1;
    Fd pidfd;        ///< readable once it has exited; then reap with waitid(P_PIDFD)
    Fd standard_in;  ///< none when the request said so
    Fd standard_out;
    Fd standard_error;  ///< none with a tty
};

/// Starts the command; what goes wrong in the child (no such command, no permission) is its exit
/// status 127 or 126 and a line on its standard error. 0 or -errno when it could not be started at
/// all.
int start_process(const Command& command, Process& process);

int resize_terminal(int fd, int width, int height);

/// Forks a child that runs `work` and exits with its return value. 0 or -errno.
int start_function(int (*work)(), pid_t& pid, Fd& pidfd);

/// The exit status or signal of a process that has exited.
struct ExitStatus {
    bool signalled = false;
    int code = 0;
};
ExitStatus reap(const Fd& pidfd);

/// Back to what a fresh process expects, in a child of the agent: no blocked or ignored signals.
void reset_signals();

}  // namespace banger::guest
