#pragma once

#include <sys/epoll.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>

#include "guest/vsock-agent/fd.hpp"

namespace banger::guest {

/// The agent's event loop: descriptors by epoll, and timers. One thread; handlers must not block.
/// A handler may watch, forget and cancel anything, itself included.
class Loop {
  public:
    using Handler = std::function<void(std::uint32_t events)>;
    using Timer = std::function<void()>;
    using TimerId = std::uint64_t;

    Loop();

    /// Calls `handler` when one of the EPOLL* `events` comes. Forget the descriptor before closing
    /// it. 0 or -errno.
    int watch(int fd, std::uint32_t events, Handler handler);
    /// Changes the events; needed again after each one of an EPOLLONESHOT watch. 0 or -errno.
    int rearm(int fd, std::uint32_t events);
    void forget(int fd);

    TimerId after(std::chrono::milliseconds delay, Timer timer);
    void cancel(TimerId id);

    /// Until stop().
    void run();
    void stop() { stopped_ = true; }

  private:
    using Clock = std::chrono::steady_clock;
    struct Watch {
        std::uint32_t generation;
        std::shared_ptr<Handler> handler;
    };

    void run_due_timers();
    int wait_ms() const;
    void dispatch(const epoll_event& event);

    Fd epoll_;
    std::unordered_map<int, Watch> watches_;
    std::map<std::pair<Clock::time_point, TimerId>, Timer> timers_;
    std::unordered_map<TimerId, Clock::time_point> due_;
    std::uint32_t generation_ = 0;
    TimerId last_timer_ = 0;
    bool stopped_ = false;
};

}  // namespace banger::guest
