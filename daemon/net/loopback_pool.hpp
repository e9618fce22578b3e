#pragma once

#include <set>
#include <string>
#include <string_view>

namespace banger::net {

/// The loopback address of a VM of that id: 127.64.0.1 to 127.127.255.254, the same each time
/// unless it is among `taken`, then the next free one. Below 127.64 are addresses that
/// distributions use themselves (127.0.1.1, 127.0.0.53). Throws Error{unavailable} when all are
/// taken.
std::string choose_loopback_address(std::string_view id, const std::set<std::string>& taken);

}  // namespace banger::net
