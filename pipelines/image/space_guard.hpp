#pragma once

#include <cstdint>
#include <string>

namespace banger::image {

/// Keeps a pull from filling the disk that it writes to: `reserve` bytes stay free; 0 means 1 GiB,
/// or 5 % of a small one. May be asked by any thread.
class SpaceGuard {
  public:
    explicit SpaceGuard(std::string path, std::uint64_t reserve = 0)
        : path_(std::move(path)), reserve_(reserve) {}

    /// Throws Error{no_space} when `needed` more bytes could not be written without touching the
    /// rest; with 0, when the rest has been touched already.
    void check_blocking(std::uint64_t needed = 0) const;

  private:
    std::string path_;
    std::uint64_t reserve_;
};

}  // namespace banger::image
