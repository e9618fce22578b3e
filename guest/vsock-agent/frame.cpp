#include "guest/vsock-agent/frame.hpp"

#include <cerrno>

namespace banger::guest {
namespace {

std::uint32_t payload_length(std::string_view header) {
    std::uint32_t length = 0;
    for (std::size_t i = 1; i < kFrameHeader; ++i) {
        length = length << 8 | static_cast<std::uint8_t>(header[i]);
    }
    return length;
}

}  // namespace

void write_frame_header(std::uint8_t* out, Channel channel, std::uint32_t length) {
    out[0] = static_cast<std::uint8_t>(channel);
    for (int i = 0; i < 4; ++i)
        out[1 + i] = static_cast<std::uint8_t>(length >> (24 - 8 * i));
}

std::string make_frame(Channel channel, std::string_view payload) {
    std::uint8_t header[kFrameHeader];
    write_frame_header(header, channel, static_cast<std::uint32_t>(payload.size()));
    std::string frame(header, header + kFrameHeader);
    return frame.append(payload);
}

int FrameReader::feed(std::string_view bytes, const Handler& handler) {
    partial_.append(bytes);
    std::string_view rest = partial_;
    while (rest.size() >= kFrameHeader) {
        const std::uint32_t length = payload_length(rest);
        if (length > kMaxFrame) return -EMSGSIZE;
        if (rest.size() < kFrameHeader + length) break;
        const auto channel = static_cast<Channel>(static_cast<std::uint8_t>(rest[0]));
        handler(channel, rest.substr(kFrameHeader, length));
        rest.remove_prefix(kFrameHeader + length);
    }
    partial_.erase(0, partial_.size() - rest.size());
    return 0;
}

}  // namespace banger::guest
