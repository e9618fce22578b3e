#include "daemon/launcher/namespaces.hpp"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>

#include "daemon/launcher/launch_plan.hpp"
#include "daemon/launcher/system.hpp"

namespace banger::launcher {
namespace {

constexpr char kBridge[] = "bridge0";
constexpr std::chrono::seconds kEgressDeadline{20};

void write_or_give_up(const char* path, const std::string& text) {
    if (const int error = write_file_once(path, text)) {
        give_up(std::string("write ") + path + " of a new user namespace", error);
    }
}

void map_this_user(uid_t user, gid_t group) {
    const auto same = [](auto id) { return std::to_string(id) + " " + std::to_string(id) + " 1"; };
    // Without it an unprivileged user may not write gid_map (user_namespaces(7)).
    write_or_give_up("/proc/self/setgroups", "deny");
    write_or_give_up("/proc/self/uid_map", same(user));
    write_or_give_up("/proc/self/gid_map", same(group));
}

ifreq named(const char* interface) {
    ifreq request{};
    std::strncpy(request.ifr_name, interface, sizeof(request.ifr_name) - 1);
    return request;
}

UniqueFd control_socket() {
    UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!fd) give_up("make a socket", errno);
    return fd;
}

void set_up(int control, const char* interface) {
    auto request = named(interface);
    if (::ioctl(control, SIOCGIFFLAGS, &request) == 0) {
        request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
        if (::ioctl(control, SIOCSIFFLAGS, &request) == 0) return;
    }
    give_up(std::string("set up ") + interface, errno);
}

void make_tap() {
    const UniqueFd tun(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
    if (!tun) give_up("open /dev/net/tun", errno);
    auto request = named(kVmmTap);
    // As Firecracker opens it, or it is refused there.
    request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    if (::ioctl(tun.get(), TUNSETIFF, &request) != 0 ||
        ::ioctl(tun.get(), TUNSETOWNER, static_cast<unsigned long>(::getuid())) != 0 ||
        ::ioctl(tun.get(), TUNSETPERSIST, 1) != 0) {
        give_up("make a tap", errno);
    }
}

void join_bridge(int control, const char* interface) {
    auto request = named(kBridge);
    request.ifr_ifindex = static_cast<int>(::if_nametoindex(interface));
    if (::ioctl(control, SIOCBRADDIF, &request) != 0) {
        give_up(std::string("join ") + interface + " to a bridge", errno);
    }
    set_up(control, interface);
}

}  // namespace

void make_namespaces() {
    const auto user = ::geteuid();
    const auto group = ::getegid();
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
        give_up("make a user and network namespace for the vm", errno);
    }
    map_this_user(user, group);
    // The bridge must not speak: the egress program takes whom it hears for the guest.
    write_file_once("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
    write_file_once("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
    const auto control = control_socket();
    if (::ioctl(control.get(), SIOCBRADDBR, kBridge) != 0) give_up("make a bridge", errno);
    make_tap();
    join_bridge(control.get(), kVmmTap);
    set_up(control.get(), kBridge);
    set_up(control.get(), "lo");
}

EgressTap::EgressTap()
    : news_(::socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE)) {
    sockaddr_nl links{};
    links.nl_family = AF_NETLINK;
    links.nl_groups = RTMGRP_LINK;
    const auto* address = reinterpret_cast<const sockaddr*>(&links);
    if (!news_ || ::bind(news_.get(), address, sizeof links) != 0) {
        give_up("listen for interfaces", errno);
    }
}

void EgressTap::join(int gone) {
    const auto deadline = std::chrono::steady_clock::now() + kEgressDeadline;
    while (::if_nametoindex(kEgressTap) == 0) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        std::array<pollfd, 2> waits{{{news_.get(), POLLIN, 0}, {gone, POLLIN, 0}}};
        if (left.count() <= 0 ||
            ::poll(waits.data(), waits.size(), static_cast<int>(left.count())) == 0) {
            give_up("connect the vm's network: its egress program made no interface in time", 0);
        }
        if (waits[1].revents != 0) {
            give_up("connect the vm's network: its egress program has ended, see network.log", 0);
        }
        std::array<char, 8192> ignored;
        while (::recv(news_.get(), ignored.data(), ignored.size(), 0) > 0) {
        }
    }
    join_bridge(control_socket().get(), kEgressTap);
}

}  // namespace banger::launcher
