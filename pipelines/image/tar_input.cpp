#include "pipelines/image/tar_input.hpp"

#include <algorithm>
#include <cstring>

namespace banger::image {

std::span<const std::byte> TarInput::take(std::uint64_t most) {
    if (left_.empty() && !at_end_) {
        left_ = pieces_();
        at_end_ = left_.empty();
    }
    const auto taken =
        left_.first(static_cast<std::size_t>(std::min<std::uint64_t>(most, left_.size())));
    left_ = left_.subspan(taken.size());
    return taken;
}

std::size_t TarInput::read(std::span<char> out) {
    std::size_t done = 0;
    while (done < out.size()) {
        const auto bytes = take(out.size() - done);
        if (bytes.empty()) break;
        std::memcpy(out.data() + done, bytes.data(), bytes.size());
        done += bytes.size();
    }
    return done;
}

bool TarInput::skip(std::uint64_t bytes) {
    while (bytes > 0) {
        const auto taken = take(bytes);
        if (taken.empty()) return false;
        bytes -= taken.size();
    }
    return true;
}

void TarInput::drain() {
    while (!take(left_.empty() ? 1 : left_.size()).empty()) {
    }
    left_ = {};
}

}  // namespace banger::image
