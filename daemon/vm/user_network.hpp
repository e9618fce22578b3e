#pragma once

#include <optional>
#include <string>
#include <vector>

namespace banger::vm {

// Networks without privilege. Whichever carries its frames, a guest sees the same: 10.0.2.15/24, a
// gateway that reaches the world, and a name server that asks whom the host asks.

inline constexpr char kGuestAddress[] = "10.0.2.15";
inline constexpr unsigned kGuestPrefix = 24;
inline constexpr char kGatewayAddress[] = "10.0.2.2";
inline constexpr char kNameServerAddress[] = "10.0.2.3";

/// A program that carries a guest's frames, found on this host.
struct UserNetwork {
    std::string name;    ///< "pasta", "slirp4netns", "passt"
    std::string binary;  ///< path
};

/// For a VMM that takes a tap: slirp4netns, else pasta.
std::optional<UserNetwork> find_tap_network();
/// For one that takes a socket: passt.
std::optional<UserNetwork> find_socket_network();

/// The launcher and this program in front of a VMM's command line; see daemon/launcher. The VMM
/// finds its tap under the name kFirecrackerTap, or its socket as descriptor kSocketDescriptor.
/// `directory` is MachineSpec::directory and has life_path(), `log_directory` gets network.log.
std::vector<std::string> with_user_network(const std::string& launcher, const UserNetwork& network,
                                           const std::string& directory,
                                           const std::string& log_directory,
                                           std::vector<std::string> vmm);

inline constexpr int kSocketDescriptor = 3;

/// A FIFO that is held open for writing for as long as something of a VM's network is there.
std::string life_path(const std::string& directory);
/// Makes it anew. Throws Error{…}.
void make_life(const std::string& directory);

}  // namespace banger::vm
