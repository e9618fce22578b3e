#include "daemon/vm/tsc_clock.hpp"

#include <x86intrin.h>

#include <algorithm>
#include <ctime>
#include <limits>

namespace banger::vm {
namespace {

/// The counter and the clock at the same moment.
struct Sample {
    std::uint64_t ticks = 0;
    std::int64_t ns = 0;
};

std::int64_t raw_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

/// Of several tries the one in which the least time passed between counter, clock and counter.
Sample sample() {
    Sample best;
    std::uint64_t narrowest = std::numeric_limits<std::uint64_t>::max();
    for (int i = 0; i < 16; ++i) {
        auto before = __rdtsc();
        auto ns = raw_ns();
        auto after = __rdtsc();
        if (after - before >= narrowest) continue;
        narrowest = after - before;
        best = {before + (after - before) / 2, ns};
    }
    return best;
}

double khz_over(std::int64_t milliseconds) {
    auto first = sample();
    timespec pause{0, milliseconds * 1'000'000};
    ::nanosleep(&pause, nullptr);
    auto second = sample();
    return static_cast<double>(second.ticks - first.ticks) * 1e6 /
           static_cast<double>(second.ns - first.ns);
}

std::optional<std::uint64_t> measure() {
    auto first = khz_over(20);
    auto second = khz_over(20);
    auto average = (first + second) / 2;
    // A counter that follows the processor's speed, or a host that was moved, is no clock.
    if (!(average > 1e5) || std::abs(first - second) > average * 1e-3) return std::nullopt;
    return static_cast<std::uint64_t>(average + 0.5);
}

}  // namespace

std::optional<std::uint64_t> tsc_khz_blocking() {
    static const auto khz = measure();
    return khz;
}

}  // namespace banger::vm
