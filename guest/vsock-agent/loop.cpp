#include "guest/vsock-agent/loop.hpp"

#include <algorithm>
#include <cerrno>

namespace banger::guest {
namespace {

std::uint64_t pack(int fd, std::uint32_t generation) {
    return std::uint64_t{generation} << 32 | static_cast<std::uint32_t>(fd);
}

}  // namespace

Loop::Loop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}

int Loop::watch(int fd, std::uint32_t events, Handler handler) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = pack(fd, ++generation_);
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return -errno;
    watches_[fd] = {generation_, std::make_shared<Handler>(std::move(handler))};
    return 0;
}

int Loop::rearm(int fd, std::uint32_t events) {
    const auto found = watches_.find(fd);
    if (found == watches_.end()) return -ENOENT;
    epoll_event event{};
    event.events = events;
    event.data.u64 = pack(fd, found->second.generation);
    return ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0 ? 0 : -errno;
}

void Loop::forget(int fd) {
    if (watches_.erase(fd) > 0) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

Loop::TimerId Loop::after(std::chrono::milliseconds delay, Timer timer) {
    const auto when = Clock::now() + delay;
    const TimerId id = ++last_timer_;
    timers_.emplace(std::pair{when, id}, std::move(timer));
    due_.emplace(id, when);
    return id;
}

void Loop::cancel(TimerId id) {
    const auto found = due_.find(id);
    if (found == due_.end()) return;
    timers_.erase({found->second, id});
    due_.erase(found);
}

void Loop::run() {
    stopped_ = false;
    while (!stopped_) {
        epoll_event events[32];
        const int count = ::epoll_wait(epoll_.get(), events, 32, wait_ms());
        for (int i = 0; i < count && !stopped_; ++i)
            dispatch(events[i]);
        if (!stopped_) run_due_timers();
    }
}

void Loop::run_due_timers() {
    const auto now = Clock::now();
    while (!stopped_ && !timers_.empty() && timers_.begin()->first.first <= now) {
        const auto node = timers_.extract(timers_.begin());
        due_.erase(node.key().second);
        node.mapped()();
    }
}

int Loop::wait_ms() const {
    if (timers_.empty()) return -1;
    const auto left = timers_.begin()->first.first - Clock::now();
    // Rounded up: a wait that ends a fraction too early would only be repeated.
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
    return static_cast<int>(std::clamp<std::int64_t>(ms, 0, 60'000));
}

void Loop::dispatch(const epoll_event& event) {
    const int fd = static_cast<int>(event.data.u64 & 0xffffffffU);
    const auto found = watches_.find(fd);
    // An earlier handler of this round may have forgotten it, and its number may be in use again.
    if (found == watches_.end() || found->second.generation != event.data.u64 >> 32) return;
    const auto handler = found->second.handler;
    (*handler)(event.events);
}

}  // namespace banger::guest
