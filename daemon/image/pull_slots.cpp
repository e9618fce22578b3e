#include "daemon/image/pull_slots.hpp"

#include <fmt/format.h>

namespace banger::image {
namespace {

/// A place in the queue, given up at the end, whatever that is.
class Place {
  public:
    Place(std::list<char>& queue, Notifier& changed)
        : queue_(queue), changed_(changed), at_(queue.emplace(queue.end())) {}
    ~Place() {
        queue_.erase(at_);
        changed_.notify();
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

    bool is_first() const { return at_ == queue_.begin(); }

  private:
    std::list<char>& queue_;
    Notifier& changed_;
    std::list<char>::iterator at_;
};

}  // namespace

Task<PullSlots::Slot> PullSlots::take(ProgressSink progress) {
    const Place place(queue_, changed_);
    const auto is_my_turn = [&] { return free_ > 0 && place.is_first(); };
    if (!is_my_turn() && progress) {
        progress(
            {.stage = "queued",
             .message = fmt::format("waits until fewer than {} pulls are under way", kAtOnce)});
    }
    while (!is_my_turn())
        co_await changed_.wait();
    --free_;
    co_return Slot(*this);
}

}  // namespace banger::image
