#include "guest/vsock-agent/network.hpp"

#include <arpa/inet.h>
#include <dirent.h>
#include <net/if.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "guest/vsock-agent/boot_log.hpp"
#include "guest/vsock-agent/netlink.hpp"

namespace banger::guest {
namespace {

constexpr char kInterfaces[] = "/sys/class/net";
constexpr std::int64_t kLinkDeadlineMs = 10'000;
constexpr useconds_t kLookEveryUs = 10'000;

// The kernel's device is called virtio0 and so on, whether it sits on PCI or on MMIO.
bool is_virtio(const std::string& interface) {
    const std::string link = std::string(kInterfaces) + "/" + interface + "/device";
    char* device = ::realpath(link.c_str(), nullptr);
    if (device == nullptr) return false;
    const char* name = std::strrchr(device, '/');
    const bool found = name != nullptr && std::strncmp(name, "/virtio", 7) == 0;
    std::free(device);
    return found;
}

/// 0 when there is none.
unsigned first_virtio_interface() {
    DIR* interfaces = ::opendir(kInterfaces);
    if (interfaces == nullptr) return 0;
    unsigned first = 0;
    while (const dirent* entry = ::readdir(interfaces)) {
        const unsigned index = ::if_nametoindex(entry->d_name);
        if (index == 0 || !is_virtio(entry->d_name)) continue;
        if (first == 0 || index < first) first = index;
    }
    ::closedir(interfaces);
    return first;
}

void complain(const char* what, const std::string& value, int failed) {
    if (failed == 0) return;
    kernel_log(std::string("banger: network: cannot ") + what + " " + value + ": " +
               std::strerror(-failed));
}

void configure(unsigned interface, const NetworkSettings& settings) {
    Netlink netlink;
    Ipv4Prefix prefix;
    if (!parse_prefix(settings.address, prefix)) {
        return kernel_log("banger: network: no IPv4 address with prefix length: " +
                          settings.address);
    }
    complain("set the address", settings.address, netlink.add_address(interface, prefix));
    complain("set up interface", std::to_string(interface), netlink.set_up(interface));
    in_addr gateway{};
    if (::inet_pton(AF_INET, settings.gateway.c_str(), &gateway) != 1) return;
    complain("route by", settings.gateway, netlink.add_default_route(interface, gateway));
}

[[noreturn]] void wait_and_configure(const NetworkSettings& settings) {
    const std::int64_t deadline = boottime_ms() + kLinkDeadlineMs;
    while (boottime_ms() < deadline) {
        if (const unsigned interface = first_virtio_interface()) {
            configure(interface, settings);
            ::_exit(0);
        }
        ::usleep(kLookEveryUs);
    }
    kernel_log("banger: network: no virtio network interface appeared within 10 s");
    ::_exit(1);
}

}  // namespace

void set_network_up(const std::optional<NetworkSettings>& settings) {
    if (const unsigned loopback = ::if_nametoindex("lo")) Netlink().set_up(loopback);
    if (!settings) return;
    if (const unsigned interface = first_virtio_interface()) return configure(interface, *settings);
    if (::fork() == 0) wait_and_configure(*settings);
}

}  // namespace banger::guest
