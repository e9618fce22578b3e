#include "daemon/operations/progress_log.hpp"

#include "pipelines/io/utf8.hpp"

namespace banger::operations {

void ProgressLog::add(Progress progress, Clock::time_point now) {
    progress.item = replace_invalid_utf8(std::move(progress.item));
    progress.message = replace_invalid_utf8(std::move(progress.message));
    auto [found, is_new] = sources_.try_emplace({progress.stage, progress.item});
    auto& source = found->second;
    if (is_new) {
        source.first_done = progress.done;
        source.first_seen = now;
    } else {
        events_.erase(source.newest);
    }
    source.newest = next_seq_++;
    events_[source.newest] = {.seq = source.newest,
                              .stage = progress.stage,
                              .item = progress.item,
                              .done = progress.done,
                              .total = progress.total,
                              .rate = rate_of(source, progress, now),
                              .message = progress.message,
                              .busy_ms = progress.busy_ms,
                              .waiting_ms = progress.waiting_ms};
    if (events_.size() > kMaxEvents) {
        const auto& oldest = events_.begin()->second;
        sources_.erase({oldest.stage, oldest.item});
        events_.erase(events_.begin());
    }
}

std::vector<api::ProgressEvent> ProgressLog::after(std::uint64_t seq) const {
    std::vector<api::ProgressEvent> found;
    for (auto event = events_.upper_bound(seq); event != events_.end(); ++event) {
        found.push_back(event->second);
    }
    return found;
}

std::uint64_t ProgressLog::rate_of(Source& source, const Progress& progress,
                                   Clock::time_point now) const {
    if (progress.busy_ms > 0) return progress.done * 1000 / progress.busy_ms;
    // A retry begins again from less.
    if (progress.done < source.first_done) {
        source.first_done = progress.done;
        source.first_seen = now;
    }
    const auto elapsed =
        std::chrono::duration_cast<std::chrono::milliseconds>(now - source.first_seen).count();
    if (elapsed <= 0) return 0;
    const auto bytes = static_cast<double>(progress.done - source.first_done);
    return static_cast<std::uint64_t>(bytes * 1000.0 / static_cast<double>(elapsed));
}

}  // namespace banger::operations
