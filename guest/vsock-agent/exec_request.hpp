#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "guest/vsock-agent/user.hpp"

namespace banger::guest {

/// The first frame of an exec stream, see protocol.hpp.
struct ExecRequest {
    std::vector<std::string> argv;
    std::vector<std::string> env;
    std::string cwd;
    std::string user;
    bool tty = false;
    bool standard_in = false;
    int width = 80;
    int height = 24;
};

/// Everything a process needs, resolved against the guest.
struct Command {
    std::vector<std::string> argv;
    std::vector<std::string> environment;
    std::string cwd;
    User user;
    bool tty = false;
    bool standard_in = false;
    int width = 80;
    int height = 24;
};

/// What the image says for every exec.
struct ExecDefaults {
    std::vector<std::string> env;
    std::string working_dir;
};

bool parse_exec_request(std::string_view json, ExecRequest& request, std::string& error);

/// Looks the user up in /etc/passwd and checks the working directory. False: `error` says what is
/// wrong with the request.
bool resolve_command(const ExecRequest& request, const ExecDefaults& defaults, Command& command,
                     std::string& error);

}  // namespace banger::guest
