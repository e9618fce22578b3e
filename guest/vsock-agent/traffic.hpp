#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace banger::guest {

/// Bytes that have come and gone since the guest's start.
struct Traffic {
    std::uint64_t received = 0;
    std::uint64_t sent = 0;
};

/// The sum over the interfaces of a /proc/net/dev that `counts` says yes to; lines that are none
/// are skipped.
Traffic parse_traffic(std::string_view table,
                      const std::function<bool(const std::string&)>& counts);

/// Of the guest's network cards. What goes through bridges and tunnels in the guest goes through a
/// card as well, or stays inside.
Traffic read_traffic();

}  // namespace banger::guest
