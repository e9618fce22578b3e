#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "pipelines/io/error.hpp"

namespace banger::image {

/// Short texts, kept until the pool goes: two bytes each besides the text, and a handle of 32 bits
/// to find it by. Views stay valid as long as the pool lives.
class TextPool {
  public:
    std::uint32_t add(std::string_view text) {
        if (used_ + sizeof(std::uint16_t) + text.size() > kChunk) begin_chunk();
        const auto handle = static_cast<std::uint32_t>((chunks_.size() - 1) * kChunk + used_);
        char* at = chunks_.back().get() + used_;
        const auto size = static_cast<std::uint16_t>(text.size());
        std::memcpy(at, &size, sizeof size);
        text.copy(at + sizeof size, text.size());
        used_ += sizeof size + text.size();
        return handle;
    }

    std::string_view at(std::uint32_t handle) const {
        const char* at = chunks_[handle / kChunk].get() + handle % kChunk;
        std::uint16_t size = 0;
        std::memcpy(&size, at, sizeof size);
        return {at + sizeof size, size};
    }

  private:
    static constexpr std::size_t kChunk = 64 * 1024;
    static constexpr std::size_t kMaxChunks = (std::uint64_t{1} << 32) / kChunk;

    void begin_chunk() {
        if (chunks_.size() == kMaxChunks) {
            fail(Errc::unsupported, "the image's names are over the limit of 4 GiB");
        }
        chunks_.push_back(std::make_unique_for_overwrite<char[]>(kChunk));
        used_ = 0;
    }

    std::vector<std::unique_ptr<char[]>> chunks_;
    std::size_t used_ = kChunk;  ///< of the last one
};

}  // namespace banger::image
