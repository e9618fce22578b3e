#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>

namespace banger {

enum class Compression { none, gzip, zstd };

/// By the first bytes (magic numbers of RFC 1952 and RFC 8878), whatever a media type claims.
Compression sniff_compression(std::span<const std::byte> head);

/// Push interface: compressed bytes in, plain bytes out to a sink. gzip is inflated by ISA-L,
/// several members are joined; zstd reads several frames, skips skippable ones, and refuses windows
/// above 2^27. Trailing junk, truncation and checksum errors throw Error{invalid_argument}.
class Decompressor {
  public:
    using Sink = std::function<void(std::span<const std::byte>)>;
    virtual ~Decompressor() = default;
    virtual void push(std::span<const std::byte> compressed, const Sink& sink) = 0;
    /// The input is over: throws when it ended in the middle.
    virtual void finish(const Sink& sink) = 0;
};

std::unique_ptr<Decompressor> make_decompressor(Compression kind);

}  // namespace banger
