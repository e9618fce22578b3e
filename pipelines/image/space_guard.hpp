#pragma once

#include <cstdint>
#include <string>

namespace banger::image {

/// Keeps a pull from filling the disk that it writes to: 1 GiB of it, or 5 % of a small one, stays
/// free. May be asked by any thread.
class SpaceGuard {
  public:
    explicit SpaceGuard(std::string path) : path_(std::move(path)) {}

    /// Throws Error{no_space} when fewer than `needed` bytes can be written without touching the
    /// rest.
    void check_blocking(std::uint64_t needed) const;

  private:
    std::string path_;
};

}  // namespace banger::image
