#include "pipelines/image/registry/address_guard.hpp"

#include <algorithm>

#include "pipelines/io/error.hpp"

namespace banger::image {
namespace {

namespace ip = boost::asio::ip;

Reach reach_of_v4(const ip::address_v4& address) {
    const auto bits = address.to_uint();
    const auto in = [bits](std::uint32_t net, int length) {
        return bits >> (32 - length) == net >> (32 - length);
    };
    if (in(0x7F000000, 8)) return Reach::host;
    if (in(0x00000000, 8) || in(0xA9FE0000, 16) || in(0xE0000000, 3)) return Reach::link;
    const bool inside = in(0x0A000000, 8) || in(0x64400000, 10) || in(0xAC100000, 12) ||
                        in(0xC0A80000, 16) || in(0xC0000000, 24);
    return inside ? Reach::private_net : Reach::everybody;
}

/// The IPv4 address that an IPv6 one stands for: mapped, NAT64 (RFC 6052), 6to4 (RFC 3056).
std::optional<ip::address_v4> embedded_v4(const ip::address_v6& address) {
    if (address.is_v4_mapped()) return ip::make_address_v4(ip::v4_mapped, address);
    const auto bytes = address.to_bytes();
    const auto at = [&bytes](std::size_t i) {
        return ip::address_v4({bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]});
    };
    const std::array<unsigned char, 12> nat64{0x00, 0x64, 0xFF, 0x9B};
    if (std::equal(nat64.begin(), nat64.end(), bytes.begin())) return at(12);
    if (bytes[0] == 0x20 && bytes[1] == 0x02) return at(2);
    return std::nullopt;
}

Reach reach_of_v6(const ip::address_v6& address) {
    if (address.is_loopback()) return Reach::host;
    if (address.is_link_local() || address.is_unspecified() || address.is_multicast()) {
        return Reach::link;
    }
    if (const auto v4 = embedded_v4(address)) return reach_of_v4(*v4);
    const auto bytes = address.to_bytes();
    const bool unique_local = (bytes[0] & 0xFE) == 0xFC;
    const bool site_local = bytes[0] == 0xFE && (bytes[1] & 0xC0) == 0xC0;
    return unique_local || site_local ? Reach::private_net : Reach::everybody;
}

}  // namespace

Reach reach_of(const ip::address& address) {
    return address.is_v4() ? reach_of_v4(address.to_v4()) : reach_of_v6(address.to_v6());
}

bool AddressGuard::is_own(const HttpTarget& target, const ip::address& address) {
    if (!target.same_origin(registry_)) return false;
    own_ = reached_ ? std::min(own_, reach_of(address)) : reach_of(address);
    reached_ = true;
    return true;
}

void AddressGuard::check_token_service(const HttpTarget& target, const ip::address& address) {
    if (is_own(target, address) || reach_of(address) <= own_) return;
    fail(Errc::unauthorized,
         "{} sends for a token to {}, which is at {}, an address inside a private network",
         registry_.origin(), target.origin(), address.to_string());
}

void AddressGuard::check_redirect(const HttpTarget& target, const ip::address& address) {
    if (is_own(target, address) || reach_of(address) <= std::max(own_, Reach::private_net)) return;
    fail(Errc::unauthorized, "{} redirects to {}, which is at {}, an address of this host or link",
         registry_.origin(), target.origin(), address.to_string());
}

}  // namespace banger::image
