#include "guest/vsock-agent/exec_request.hpp"

#include <algorithm>

#include "guest/vsock-agent/environment.hpp"
#include "guest/vsock-agent/files.hpp"
#include "guest/vsock-agent/json_reader.hpp"

namespace banger::guest {
namespace {

int read_size(JsonReader& in, const char* name, int otherwise) {
    std::int64_t size = 0;
    in.integer(name, size);
    return size <= 0 ? otherwise : static_cast<int>(std::min<std::int64_t>(size, 0xffff));
}

// The image's working directory is root's; other users start at home, and at / when they have none.
std::string default_directory(const User& user, const ExecDefaults& defaults) {
    if (user.uid == 0 && is_directory(defaults.working_dir.c_str())) return defaults.working_dir;
    return is_directory(user.home.c_str()) ? user.home : "/";
}

bool holds_a_nul(const std::vector<std::string>& strings) {
    return std::any_of(strings.begin(), strings.end(),
                       [](const std::string& s) { return s.find('\0') != std::string::npos; });
}

}  // namespace

bool parse_exec_request(std::string_view json, ExecRequest& request, std::string& error) {
    request = {};
    JsonReader in;
    if (in.parse(json)) {
        in.strings("argv", request.argv);
        in.strings("env", request.env);
        in.string("cwd", request.cwd);
        in.string("user", request.user);
        in.boolean("tty", request.tty);
        in.boolean("stdin", request.standard_in);
        request.width = read_size(in, "width", request.width);
        request.height = read_size(in, "height", request.height);
    }
    error = in.error();
    if (error.empty() && request.argv.empty()) error = "'argv' is empty; name a command";
    if (error.empty() && (holds_a_nul(request.argv) || holds_a_nul(request.env))) {
        error = "'argv' or 'env' holds a NUL character";
    }
    return error.empty();
}

bool resolve_command(const ExecRequest& request, const ExecDefaults& defaults, Command& command,
                     std::string& error) {
    std::string passwd;
    std::string group;
    // An image without these files has only root and bare numbers.
    read_small_file("/etc/passwd", passwd);
    read_small_file("/etc/group", group);
    if (!resolve_user(request.user, passwd, group, command.user, error)) return false;
    command.argv = request.argv;
    command.environment = build_environment(command.user, request.tty, defaults.env, request.env);
    command.cwd = request.cwd.empty() ? default_directory(command.user, defaults) : request.cwd;
    command.tty = request.tty;
    command.standard_in = request.standard_in;
    command.width = request.width;
    command.height = request.height;
    if (is_directory(command.cwd.c_str())) return true;
    error = "no directory '" + command.cwd + "' in the guest to start in";
    return false;
}

}  // namespace banger::guest
