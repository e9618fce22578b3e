#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "guest/vsock-agent/protocol.hpp"

namespace banger::vm {

/// Channel, length, payload; protocol.hpp, EXEC. `payload` has at most kMaxFrame bytes.
std::string exec_frame(guest::Channel channel, std::string_view payload);

struct ExecFrame {
    guest::Channel channel{};
    std::vector<std::byte> payload;
};

/// Cuts the bytes of an exec stream into frames.
class ExecFrameReader {
  public:
    void feed(std::span<const std::byte> bytes);
    /// The next complete frame. Throws Error{unavailable} for one that is too long to be one.
    std::optional<ExecFrame> next();

  private:
    std::vector<std::byte> buffer_;
    std::size_t taken_ = 0;
};

}  // namespace banger::vm
