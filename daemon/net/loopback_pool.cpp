#include "daemon/net/loopback_pool.hpp"

#include <fmt/format.h>

#include <cstdint>

#include "pipelines/io/error.hpp"

namespace banger::net {
namespace {

constexpr std::uint32_t kLastOctets = 254;  // neither .0 nor .255, which some tools take amiss
constexpr std::uint32_t kAddresses = 64 * 256 * kLastOctets;

/// FNV-1a: the same in every version of the daemon.
std::uint32_t hash(std::string_view text) {
    std::uint32_t value = 2166136261;
    for (const char byte : text) {
        value ^= static_cast<unsigned char>(byte);
        value *= 16777619;
    }
    return value;
}

std::string address(std::uint32_t number) {
    const auto last = number % kLastOctets + 1;
    const auto rest = number / kLastOctets;
    return fmt::format("127.{}.{}.{}", 64 + rest / 256, rest % 256, last);
}

}  // namespace

std::string choose_loopback_address(std::string_view id, const std::set<std::string>& taken) {
    const auto first = hash(id) % kAddresses;
    for (std::uint32_t i = 0; i < kAddresses; ++i) {
        auto candidate = address((first + i) % kAddresses);
        if (!taken.contains(candidate)) return candidate;
    }
    fail(Errc::unavailable, "every loopback address from 127.64.0.1 on has a vm already");
}

}  // namespace banger::net
