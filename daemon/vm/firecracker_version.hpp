#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

#include "pipelines/io/task.hpp"

namespace banger::vm {

struct FirecrackerVersion {
    int major = 0;
    int minor = 0;
    int patch = 0;
    auto operator<=>(const FirecrackerVersion&) const = default;
    std::string text() const;  ///< "1.16.1"
};

/// The oldest that knows what we ask of it (the entropy device's and vsock's present form).
inline constexpr FirecrackerVersion kOldestFirecracker{1, 5, 0};
/// From here on the serial console has a file and a limit of its own, asked for by PUT /serial.
inline constexpr FirecrackerVersion kSerialDeviceFirecracker{1, 14, 0};

/// From the first line of `firecracker --version`: "Firecracker v1.16.1".
std::optional<FirecrackerVersion> parse_firecracker_version(std::string_view text);

/// Runs `binary --version`. Throws Error{not_found} when there is no such program,
/// Error{unsupported} for one that is too old or not Firecracker at all, {timed_out} after 10 s.
Task<FirecrackerVersion> ask_firecracker_version(std::string binary);

}  // namespace banger::vm
