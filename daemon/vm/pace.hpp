#pragma once

#include <chrono>
#include <cstdint>

#include "pipelines/io/task.hpp"

namespace banger::vm {

/// Slows down who does something without end: `burst` times as fast as he likes, from then on one
/// each `every`. What was not used comes back at the same rate.
class Pace {
  public:
    using Duration = std::chrono::steady_clock::duration;

    Pace(std::uint32_t burst, Duration every) : room_(burst * every), every_(every) {}

    /// Counts `times` more; returns when there is room for them.
    Task<void> take(std::uint32_t times = 1);

  private:
    Duration room_;
    Duration every_;
    std::chrono::steady_clock::time_point due_;  ///< when all that was taken will have come back
};

}  // namespace banger::vm
