#pragma once

#include <cstdint>
#include <optional>

namespace banger::vm {

/// The frequency of this host's time stamp counter in kHz, measured against CLOCK_MONOTONIC_RAW
/// (about 40 ms, once per process). An emulated guest sees this very counter. Nothing where the
/// counter does not tick evenly. Blocks.
std::optional<std::uint64_t> tsc_khz_blocking();

}  // namespace banger::vm
