#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace banger {

/// What one stage of a pipeline did, added up over all threads that work in it, so that `busy` of
/// several may exceed the time that passed. Thread-safe.
class StageMeter {
  public:
    using Clock = std::chrono::steady_clock;

    void add_busy(Clock::duration time) { busy_ += time.count(); }
    void add_waiting(Clock::duration time) { waiting_ += time.count(); }
    void add_bytes(std::uint64_t bytes) { bytes_ += bytes; }

    Clock::duration busy() const { return Clock::duration(busy_.load()); }
    /// For what the stage before has not brought yet or the one after does not take yet.
    Clock::duration waiting() const { return Clock::duration(waiting_.load()); }
    std::uint64_t bytes() const { return bytes_; }

  private:
    std::atomic<Clock::rep> busy_{0};
    std::atomic<Clock::rep> waiting_{0};
    std::atomic<std::uint64_t> bytes_{0};
};

/// Measures from its construction to its end.
class StageTimer {
  public:
    using Add = void (StageMeter::*)(StageMeter::Clock::duration);

    explicit StageTimer(StageMeter& meter, Add add = &StageMeter::add_busy)
        : meter_(meter), add_(add) {}
    ~StageTimer() { (meter_.*add_)(StageMeter::Clock::now() - start_); }
    StageTimer(const StageTimer&) = delete;
    StageTimer& operator=(const StageTimer&) = delete;

  private:
    StageMeter& meter_;
    const Add add_;
    const StageMeter::Clock::time_point start_ = StageMeter::Clock::now();
};

}  // namespace banger
