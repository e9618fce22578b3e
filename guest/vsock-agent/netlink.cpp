#include "guest/vsock-agent/netlink.hpp"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <string>

namespace banger::guest {

bool parse_prefix(std::string_view text, Ipv4Prefix& prefix) {
    const auto slash = text.find('/');
    if (slash == std::string_view::npos) return false;
    const std::string address(text.substr(0, slash));
    const char* begin = text.data() + slash + 1;
    const char* end = text.data() + text.size();
    const auto [stop, failure] = std::from_chars(begin, end, prefix.length);
    return failure == std::errc{} && stop == end && prefix.length <= 32 &&
           ::inet_pton(AF_INET, address.c_str(), &prefix.address) == 1;
}

/// Header, one fixed body, then attributes.
struct Netlink::Request {
    alignas(NLMSG_ALIGNTO) char bytes[256] = {};

    nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(bytes); }

    template <class Body>
    Body* begin(std::uint16_t type, std::uint16_t flags) {
        header()->nlmsg_len = NLMSG_LENGTH(sizeof(Body));
        header()->nlmsg_type = type;
        header()->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
        return static_cast<Body*>(NLMSG_DATA(header()));
    }

    template <class Value>
    void add(std::uint16_t type, const Value& value) {
        auto* attribute = reinterpret_cast<rtattr*>(bytes + NLMSG_ALIGN(header()->nlmsg_len));
        attribute->rta_type = type;
        attribute->rta_len = RTA_LENGTH(sizeof value);
        std::memcpy(RTA_DATA(attribute), &value, sizeof value);
        header()->nlmsg_len = NLMSG_ALIGN(header()->nlmsg_len) + RTA_ALIGN(attribute->rta_len);
    }
};

Netlink::Netlink() : socket_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)) {}

int Netlink::send(Request& request) {
    if (::send(socket_.get(), request.bytes, request.header()->nlmsg_len, 0) < 0) return -errno;
    alignas(NLMSG_ALIGNTO) char answer[1024];
    const ssize_t size = ::recv(socket_.get(), answer, sizeof answer, 0);
    if (size < 0) return -errno;
    auto* header = reinterpret_cast<nlmsghdr*>(answer);
    if (!NLMSG_OK(header, static_cast<std::size_t>(size)) || header->nlmsg_type != NLMSG_ERROR) {
        return -EPROTO;
    }
    // An acknowledgement is an error message with the error 0.
    return static_cast<const nlmsgerr*>(NLMSG_DATA(header))->error;
}

int Netlink::set_up(unsigned interface) {
    Request request;
    auto* body = request.begin<ifinfomsg>(RTM_NEWLINK, 0);
    body->ifi_family = AF_UNSPEC;
    body->ifi_index = static_cast<int>(interface);
    body->ifi_flags = IFF_UP;
    body->ifi_change = IFF_UP;
    return send(request);
}

int Netlink::add_address(unsigned interface, const Ipv4Prefix& prefix) {
    Request request;
    auto* body = request.begin<ifaddrmsg>(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
    body->ifa_family = AF_INET;
    body->ifa_prefixlen = static_cast<std::uint8_t>(prefix.length);
    body->ifa_index = interface;
    request.add(IFA_LOCAL, prefix.address);
    request.add(IFA_ADDRESS, prefix.address);
    if (prefix.length < 31) {
        const in_addr broadcast{prefix.address.s_addr | htonl(UINT32_MAX >> prefix.length)};
        request.add(IFA_BROADCAST, broadcast);
    }
    return send(request);
}

int Netlink::add_default_route(unsigned interface, in_addr gateway) {
    Request request;
    auto* body = request.begin<rtmsg>(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
    body->rtm_family = AF_INET;
    body->rtm_table = RT_TABLE_MAIN;
    body->rtm_protocol = RTPROT_BOOT;
    body->rtm_scope = RT_SCOPE_UNIVERSE;
    body->rtm_type = RTN_UNICAST;
    request.add(RTA_GATEWAY, gateway);
    request.add(RTA_OIF, interface);
    return send(request);
}

}  // namespace banger::guest
