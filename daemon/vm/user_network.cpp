#include "daemon/vm/user_network.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "pipelines/io/error.hpp"
#include "pipelines/io/find_program.hpp"

namespace banger::vm {
namespace {

std::optional<UserNetwork> find(const std::string& name) {
    auto binary = find_program(name);
    if (!binary) return std::nullopt;
    return UserNetwork{name, std::move(*binary)};
}

std::vector<std::string> slirp_words(const std::string& binary) {
    // The host's loopback is nobody's in a guest.
    return {binary, "--disable-host-loopback", "--mtu=1500", "{pid}", "egress0"};
}

/// What passt and pasta, one program, are told alike.
std::vector<std::string> passt_words(const std::string& binary) {
    std::vector<std::string> words{binary,
                                   "--foreground",
                                   "--ipv4-only",
                                   "--address",
                                   kGuestAddress,
                                   "--netmask",
                                   std::to_string(kGuestPrefix),
                                   "--gateway",
                                   kGatewayAddress,
                                   "--dns-forward",
                                   kNameServerAddress,
                                   "--no-map-gw",
                                   "--no-dhcp",
                                   "--tcp-ports",
                                   "none",
                                   "--udp-ports",
                                   "none"};
    // It drops to "nobody" when it is started as root, and may not enter root's namespaces then.
    if (::geteuid() == 0) words.insert(words.end(), {"--runas", "0"});
    return words;
}

std::vector<std::string> egress_words(const UserNetwork& network) {
    if (network.name == "slirp4netns") return slirp_words(network.binary);
    auto words = passt_words(network.binary);
    if (network.name == "passt") {
        words.insert(words.end(), {"--fd", "{fd}"});
    } else {
        words.insert(words.end(),
                     {"--ns-ifname", "egress0", "--tcp-ns", "none", "--udp-ns", "none", "{pid}"});
    }
    return words;
}

}  // namespace

std::optional<UserNetwork> find_tap_network() {
    // slirp4netns first: it reads resolv.conf again when that changes, and its name server reaches
    // a resolver on the host's loopback.
    auto found = find("slirp4netns");
    return found ? found : find("pasta");
}

std::optional<UserNetwork> find_socket_network() {
    return find("passt");
}

std::vector<std::string> with_user_network(const std::string& launcher, const UserNetwork& network,
                                           const std::string& directory,
                                           const std::string& log_directory,
                                           std::vector<std::string> vmm) {
    std::vector<std::string> words{launcher, network.name == "passt" ? "socket" : "tap",
                                   life_path(directory), log_directory + "/network.log"};
    const auto egress = egress_words(network);
    words.insert(words.end(), egress.begin(), egress.end());
    words.emplace_back("--");
    words.insert(words.end(), vmm.begin(), vmm.end());
    return words;
}

std::string life_path(const std::string& directory) {
    return directory + "/network.life";
}

void make_life(const std::string& directory) {
    const auto path = life_path(directory);
    ::unlink(path.c_str());
    if (::mkfifo(path.c_str(), 0600) != 0) fail_errno(errno, "cannot make {}", path);
}

}  // namespace banger::vm
