#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

namespace banger::image {

/// The next piece of an uncompressed tar, valid until the next call; empty at the end. May throw.
using TarPieces = std::function<std::span<const std::byte>()>;

/// A tar's bytes in whatever portions they are wanted, copied only where a copy is asked for.
class TarInput {
  public:
    explicit TarInput(const TarPieces& pieces) : pieces_(pieces) {}

    /// At least one and at most `most` bytes, valid until the next call; none at the end.
    std::span<const std::byte> take(std::uint64_t most);
    /// Fills `out`; fewer bytes at the end. Returns how many.
    std::size_t read(std::span<char> out);
    /// False when the input ends before.
    bool skip(std::uint64_t bytes);
    /// Reads to the end, so that whoever hashes the pieces has seen every byte.
    void drain();

  private:
    const TarPieces& pieces_;
    std::span<const std::byte> left_;
    bool at_end_ = false;
};

}  // namespace banger::image
