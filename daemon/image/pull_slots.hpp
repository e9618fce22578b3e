#pragma once

#include <functional>
#include <list>
#include <utility>

#include "pipelines/io/notifier.hpp"
#include "pipelines/io/progress.hpp"
#include "pipelines/io/task.hpp"

namespace banger::image {

/// Lets two pulls work at a time, the others wait in the order they came: more at once would only
/// share the same network, processor and disk, and each would take longer. A pull that waits holds
/// no thread and no buffer. Cancelling it takes it out of the queue.
class PullSlots {
  public:
    static constexpr int kAtOnce = 2;

    explicit PullSlots(boost::asio::any_io_executor executor) : changed_(std::move(executor)) {}

    /// Somebody's turn; it ends with the object.
    class Slot {
      public:
        Slot(Slot&& other) noexcept : slots_(std::exchange(other.slots_, nullptr)) {}
        Slot& operator=(Slot&&) = delete;
        ~Slot() {
            if (slots_) slots_->end_turn();
        }

      private:
        friend class PullSlots;
        explicit Slot(PullSlots& slots) : slots_(&slots) {}
        PullSlots* slots_;
    };

    /// Reports stage "queued" once when it has to wait. The slots outlive it.
    Task<Slot> take(ProgressSink progress);

    /// The same work, begun when its turn comes.
    template <class Result>
    std::function<Task<Result>(ProgressSink)> in_turn(
        std::function<Task<Result>(ProgressSink)> work) {
        return [this, work = std::move(work)](ProgressSink progress) {
            return run<Result>(*this, work, std::move(progress));
        };
    }

  private:
    template <class Result>
    static Task<Result> run(PullSlots& slots, std::function<Task<Result>(ProgressSink)> work,
                            ProgressSink progress) {
        const auto slot = co_await slots.take(progress);
        co_return co_await work(std::move(progress));
    }

    void end_turn() {
        ++free_;
        changed_.notify();
    }

    int free_ = kAtOnce;
    std::list<char> queue_;  ///< one for each that waits; whose it is, its place tells
    Notifier changed_;
};

}  // namespace banger::image
