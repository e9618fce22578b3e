#include "guest/vsock-agent/environment.hpp"

#include <algorithm>

namespace banger::guest {
namespace {

bool has_name(std::string_view entry, std::string_view name) {
    return entry.size() > name.size() && entry.starts_with(name) && entry[name.size()] == '=';
}

void put(std::vector<std::string>& environment, const std::string& entry) {
    const auto equals = entry.find('=');
    if (equals == std::string::npos || equals == 0) return;
    const std::string_view name = std::string_view(entry).substr(0, equals);
    const auto old = std::find_if(environment.begin(), environment.end(),
                                  [name](const std::string& e) { return has_name(e, name); });
    if (old == environment.end()) {
        environment.push_back(entry);
    } else {
        *old = entry;
    }
}

}  // namespace

std::vector<std::string> build_environment(const User& user, bool tty,
                                           const std::vector<std::string>& image,
                                           const std::vector<std::string>& request) {
    std::vector<std::string> environment{std::string("PATH=") + kDefaultPath, "HOME=" + user.home};
    if (!user.name.empty()) environment.push_back("USER=" + user.name);
    if (tty) environment.emplace_back("TERM=xterm");
    for (const std::string& entry : image)
        put(environment, entry);
    for (const std::string& entry : request)
        put(environment, entry);
    return environment;
}

std::string_view find_variable(const std::vector<std::string>& environment, std::string_view name) {
    for (const std::string& entry : environment) {
        if (has_name(entry, name)) return std::string_view(entry).substr(name.size() + 1);
    }
    return {};
}

std::vector<std::string> command_candidates(std::string_view command, std::string_view path) {
    if (command.empty()) return {};
    if (command.find('/') != std::string_view::npos) return {std::string(command)};
    std::vector<std::string> candidates;
    while (true) {
        const auto end = path.find(':');
        const std::string_view directory = path.substr(0, end);
        // An empty entry is the working directory, by POSIX.
        const std::string prefix = directory.empty() ? "./" : std::string(directory) + "/";
        candidates.push_back(prefix + std::string(command));
        if (end == std::string_view::npos) return candidates;
        path.remove_prefix(end + 1);
    }
}

}  // namespace banger::guest
