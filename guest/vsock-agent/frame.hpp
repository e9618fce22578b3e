#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "guest/vsock-agent/protocol.hpp"

namespace banger::guest {

inline constexpr std::size_t kFrameHeader = 5;

/// Writes channel and big-endian length to `out`, which has kFrameHeader bytes.
void write_frame_header(std::uint8_t* out, Channel channel, std::uint32_t length);

std::string make_frame(Channel channel, std::string_view payload);

/// Cuts a byte stream into exec frames, whatever pieces it comes in.
class FrameReader {
  public:
    using Handler = std::function<void(Channel, std::string_view payload)>;

    /// Calls `handler` for each frame completed by these bytes. -EMSGSIZE when a frame announces
    /// more than kMaxFrame, after which the reader must not be used; else 0.
    int feed(std::string_view bytes, const Handler& handler);

  private:
    std::string partial_;
};

}  // namespace banger::guest
