#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace banger::guest {

/// A TCP socket of the guest that waits for connections.
struct Listener {
    std::string address;  ///< as text; "0.0.0.0" and "::" are all of them
    std::uint16_t port = 0;
    std::uint64_t inode = 0;  ///< of the socket
    std::string process;      ///< its name; empty when that is not known
};

/// The sockets in state LISTEN of a /proc/net/tcp or tcp6; lines that are none are skipped.
std::vector<Listener> parse_listeners(std::string_view table, bool ipv6);

/// The guest's listeners, by port, their processes not looked up.
std::vector<Listener> read_listeners();

/// The guest's listeners, by port; at most kMaxListeners. Who owns a socket is looked up once in
/// all, for that takes a look at every descriptor of every process.
class ListenerTable {
  public:
    static constexpr std::size_t kMaxListeners = 4096;

    std::vector<Listener> read();

  private:
    void name(std::vector<Listener>& listeners);
    std::map<std::uint64_t, std::string> names_;  ///< by inode; of the sockets seen last
};

}  // namespace banger::guest
