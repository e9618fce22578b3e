#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>

#include "pipelines/io/task.hpp"

namespace banger {

/// A condition variable for coroutines of one thread. There is no memory: check, wait, check again:
///
///     while (!ready_) co_await changed_.wait();
///
/// Asio has none; a timer that never expires and is cancelled by notify() is the usual stand-in.
class Notifier {
  public:
    explicit Notifier(boost::asio::any_io_executor executor)
        : timer_(std::move(executor), boost::asio::steady_timer::time_point::max()) {}

    /// Wakes everyone who waits now. On the loop's thread only.
    void notify() { timer_.cancel(); }

    /// Returns after notify(), and also when cancelled: as ever, the next await then throws.
    Task<void> wait() { co_await timer_.async_wait(as_tuple); }

  private:
    boost::asio::steady_timer timer_;
};

/// Waits until ready() is true even when the caller is cancelled meanwhile, and tells whether it
/// was. For ends that have to be awaited: the kernel still reads a buffer, a child still runs.
/// `on_cancel`, where given, is called once, as soon as the cancellation is there.
Task<bool> wait_through_cancel(Notifier& changed, std::function<bool()> ready,
                               std::function<void()> on_cancel = {});

}  // namespace banger
