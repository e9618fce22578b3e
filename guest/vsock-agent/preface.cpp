#include "guest/vsock-agent/preface.hpp"

#include <array>
#include <utility>

#include "guest/vsock-agent/protocol.hpp"

namespace banger::guest {
namespace {

/// Knuth, Morris, Pratt: how much of the preface still matches when the byte after `n` does not.
constexpr auto kFallback = [] {
    std::array<std::size_t, kClientPreface.size() + 1> table{};
    std::size_t length = 0;
    for (std::size_t i = 1; i < kClientPreface.size(); ++i) {
        while (length > 0 && kClientPreface[i] != kClientPreface[length])
            length = table[length];
        if (kClientPreface[i] == kClientPreface[length]) ++length;
        table[i + 1] = length;
    }
    return table;
}();

}  // namespace

std::size_t PrefaceScanner::feed(std::string_view bytes) {
    std::size_t taken = 0;
    while (taken < bytes.size() && !found()) {
        const char byte = bytes[taken++];
        while (matched_ > 0 && byte != kClientPreface[matched_])
            matched_ = kFallback[matched_];
        if (byte == kClientPreface[matched_]) ++matched_;
        zeros_ = byte == '\0' ? zeros_ + 1 : 0;
        if (zeros_ < kPoke) continue;
        zeros_ = 0;
        poked_ = true;
    }
    return taken;
}

bool PrefaceScanner::take_poke() {
    return std::exchange(poked_, false);
}

}  // namespace banger::guest
