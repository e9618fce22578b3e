#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "daemon/api/types.hpp"
#include "pipelines/io/progress.hpp"

namespace banger::operations {

/// The progress of one operation, as much of it as a reader who comes late needs: the newest event
/// of each stage and item, in the order they came. Pure: time comes from outside.
class ProgressLog {
  public:
    using Clock = std::chrono::steady_clock;
    /// More stages and items than this at once: the oldest is forgotten.
    static constexpr std::size_t kMaxEvents = 4096;

    void add(Progress progress, Clock::time_point now);
    /// Events with a sequence number above `seq`; numbers start at 1.
    std::vector<api::ProgressEvent> after(std::uint64_t seq) const;
    bool has_after(std::uint64_t seq) const { return next_seq_ - 1 > seq; }

  private:
    using Key = std::pair<std::string, std::string>;
    struct Source {
        std::uint64_t newest = 0;  ///< seq of its event
        std::uint64_t first_done = 0;
        Clock::time_point first_seen;
    };
    std::uint64_t rate_of(Source& source, const Progress& progress, Clock::time_point now) const;

    std::uint64_t next_seq_ = 1;
    std::map<Key, Source> sources_;
    std::map<std::uint64_t, api::ProgressEvent> events_;
};

}  // namespace banger::operations
