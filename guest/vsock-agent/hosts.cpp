#include "guest/vsock-agent/guest_files.hpp"

namespace banger::guest {
namespace {

constexpr std::string_view kOwnAddress = "127.0.1.1";

std::string_view first_word(std::string_view line) {
    const auto begin = line.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return {};
    line.remove_prefix(begin);
    return line.substr(0, line.find_first_of(" \t"));
}

}  // namespace

std::string updated_hosts(std::string_view hosts, const std::string& hostname) {
    std::string result;
    bool has_localhost = false;
    while (!hosts.empty()) {
        const auto end = hosts.find('\n');
        const std::string_view line = hosts.substr(0, end);
        hosts.remove_prefix(end == std::string_view::npos ? hosts.size() : end + 1);
        const std::string_view address = first_word(line);
        if (address == kOwnAddress) continue;
        if (address == "127.0.0.1") has_localhost = true;
        result.append(line).append("\n");
    }
    if (!has_localhost) {
        result = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n" + result;
    }
    if (!hostname.empty()) result.append(kOwnAddress).append("\t" + hostname + "\n");
    return result;
}

std::string resolver_settings(const NetworkSettings& network) {
    std::string text;
    for (const std::string& server : network.dns)
        text += "nameserver " + server + "\n";
    return text;
}

}  // namespace banger::guest
