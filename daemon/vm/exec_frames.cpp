#include "daemon/vm/exec_frames.hpp"

#include <cstdint>

#include "pipelines/io/error.hpp"

namespace banger::vm {
namespace {

constexpr std::size_t kHeader = 5;

std::uint32_t big_endian(const std::byte* bytes) {
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i)
        value = value << 8 | std::to_integer<std::uint32_t>(bytes[i]);
    return value;
}

}  // namespace

std::string exec_frame(guest::Channel channel, std::string_view payload) {
    std::string frame(kHeader, '\0');
    frame[0] = static_cast<char>(channel);
    for (int i = 0; i < 4; ++i)
        frame[1 + i] = static_cast<char>(payload.size() >> (24 - 8 * i) & 0xff);
    frame += payload;
    return frame;
}

void ExecFrameReader::feed(std::span<const std::byte> bytes) {
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(taken_));
    taken_ = 0;
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
}

std::optional<ExecFrame> ExecFrameReader::next() {
    std::span<const std::byte> left(buffer_.data() + taken_, buffer_.size() - taken_);
    if (left.size() < kHeader) return std::nullopt;
    auto length = big_endian(left.data() + 1);
    if (length > guest::kMaxFrame) {
        fail(Errc::unavailable,
             "the guest's agent sent a frame of {} bytes, at most {} are allowed", length,
             guest::kMaxFrame);
    }
    if (left.size() < kHeader + length) return std::nullopt;
    auto payload = left.subspan(kHeader, length);
    ExecFrame frame{static_cast<guest::Channel>(left[0]), {payload.begin(), payload.end()}};
    taken_ += kHeader + length;
    return frame;
}

}  // namespace banger::vm
