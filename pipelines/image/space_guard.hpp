#pragma once

#include <cstdint>
#include <string>

namespace banger::image {

/// Keeps a pull from filling the disk that it writes to: 1 GiB of it, or 5 % of a small one, stays
/// free. May be asked by any thread.
class SpaceGuard {
  public:
    explicit SpaceGuard(std::string path) : path_(std::move(path)) {}

    /// Throws Error{no_space} when `needed` more bytes could not be written without touching the
    /// rest; with 0, when the rest has been touched already.
    void check_blocking(std::uint64_t needed = 0) const;

  private:
    std::string path_;
};

}  // namespace banger::image
