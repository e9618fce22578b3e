#pragma once

#include <utility>

#include "pipelines/io/notifier.hpp"

namespace banger::vm {

/// A mutex for coroutines of one thread. Fair enough: whoever runs first after a release has it.
///
///     auto held = co_await lock.acquire();
class AsyncLock {
  public:
    /// Lets go of the lock when destroyed.
    class Held {
      public:
        explicit Held(AsyncLock* lock) : lock_(lock) {}
        Held(Held&& other) noexcept : lock_(std::exchange(other.lock_, nullptr)) {}
        Held& operator=(Held&&) = delete;
        ~Held() {
            if (lock_) lock_->release();
        }

      private:
        AsyncLock* lock_;
    };

    explicit AsyncLock(boost::asio::any_io_executor executor) : released_(std::move(executor)) {}

    Task<Held> acquire() {
        while (held_)
            co_await released_.wait();
        held_ = true;
        co_return Held(this);
    }

  private:
    void release() {
        held_ = false;
        released_.notify();
    }

    bool held_ = false;
    Notifier released_;
};

}  // namespace banger::vm
