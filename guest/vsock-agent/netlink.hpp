#pragma once

#include <netinet/in.h>

#include <string_view>

#include "guest/vsock-agent/fd.hpp"

namespace banger::guest {

struct Ipv4Prefix {
    in_addr address{};
    unsigned length = 0;
};

/// "10.0.2.15/24"; false when it is none.
bool parse_prefix(std::string_view text, Ipv4Prefix& prefix);

/// The few rtnetlink requests that a guest's network takes. All return 0 or -errno.
class Netlink {
  public:
    Netlink();
    int set_up(unsigned interface);
    int add_address(unsigned interface, const Ipv4Prefix& prefix);
    int add_default_route(unsigned interface, in_addr gateway);

  private:
    struct Request;
    int send(Request& request);
    Fd socket_;
};

}  // namespace banger::guest
