#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "daemon/api/types.hpp"

namespace banger::cli {

/// Turns progress events into bytes for standard error. On a terminal there is one line per item (a
/// layer), redrawn in place at most every 80 ms; elsewhere one plain line when an item is done and
/// one for each new stage or message.
class ProgressRenderer {
  public:
    using Clock = std::chrono::steady_clock;
    struct Screen {
        bool live = false;  ///< a terminal that takes cursor movements
        std::size_t columns = 80;
        std::size_t lines = 24;
    };

    explicit ProgressRenderer(Screen screen) : screen_(screen) {}
    /// What to write now; often nothing.
    std::string update(const api::ProgressEvent& event, Clock::time_point now);
    /// The last state, and the cursor below it.
    std::string finish();

  private:
    std::string update_plain(const api::ProgressEvent& event);
    std::string draw();
    std::string line_of(const api::ProgressEvent& event) const;

    Screen screen_;
    std::vector<api::ProgressEvent> rows_;  ///< newest event of each item, in order of appearance
    std::size_t drawn_ = 0;                 ///< lines on the screen that are ours
    Clock::time_point last_draw_{};
    bool dirty_ = false;
};

}  // namespace banger::cli
