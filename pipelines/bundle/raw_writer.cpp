#include "pipelines/bundle/raw_writer.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace banger::bundle {
namespace {

constexpr std::array<std::byte, RawWriter::kBlock> kZeros{};

bool is_zero(const std::byte* block) {
    return std::memcmp(block, kZeros.data(), kZeros.size()) == 0;
}

}  // namespace

void RawWriter::append(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        if (position_ % kBlock != 0 || bytes.size() < kBlock) {
            const auto size = std::min<std::size_t>(bytes.size(), kBlock - position_ % kBlock);
            append_part(bytes.first(size));
            bytes = bytes.subspan(size);
            continue;
        }
        if (is_zero(bytes.data())) {
            flush();
            position_ += kBlock;
            bytes = bytes.subspan(kBlock);
            continue;
        }
        reserve();
        const auto room = std::min(bytes.size(), BufferPool::kBufferSize - filled_) / kBlock;
        std::size_t run = 1;
        while (run < room && !is_zero(bytes.data() + run * kBlock))
            ++run;
        std::memcpy(lease_.bytes().data() + filled_, bytes.data(), run * kBlock);
        filled_ += run * kBlock;
        position_ += run * kBlock;
        if (filled_ == BufferPool::kBufferSize) flush();
        bytes = bytes.subspan(run * kBlock);
    }
}

void RawWriter::skip(std::uint64_t bytes) {
    const auto to_block = (kBlock - position_ % kBlock) % kBlock;
    const auto head = std::min<std::uint64_t>(bytes, to_block);
    append_part(std::span(kZeros).first(static_cast<std::size_t>(head)));
    bytes -= head;
    if (const auto whole = bytes / kBlock * kBlock; whole > 0) {
        flush();
        position_ += whole;
        bytes -= whole;
    }
    append_part(std::span(kZeros).first(static_cast<std::size_t>(bytes)));
}

std::uint64_t RawWriter::finish() {
    const auto size = position_;
    if (const auto rest = position_ % kBlock; rest != 0) {
        append_part(std::span(kZeros).first(kBlock - static_cast<std::size_t>(rest)));
    }
    flush();
    return size;
}

/// Up to the end of a block at most.
void RawWriter::append_part(std::span<const std::byte> bytes) {
    if (bytes.empty()) return;
    reserve();
    std::memcpy(lease_.bytes().data() + filled_, bytes.data(), bytes.size());
    filled_ += bytes.size();
    position_ += bytes.size();
    if (position_ % kBlock == 0) end_block();
}

/// A block that came in parts turns out to be zeros only at its end.
void RawWriter::end_block() {
    if (is_zero(lease_.bytes().data() + filled_ - kBlock)) {
        const auto end = position_;
        filled_ -= kBlock;
        position_ -= kBlock;
        flush();
        position_ = end;
    } else if (filled_ == BufferPool::kBufferSize) {
        flush();
    }
}

void RawWriter::reserve() {
    if (!lease_) lease_ = buffers_.lease_blocking(stop_);
}

void RawWriter::flush() {
    if (filled_ == 0) return;
    file_.write(std::move(lease_), filled_, position_ - filled_);
    filled_ = 0;
}

}  // namespace banger::bundle
