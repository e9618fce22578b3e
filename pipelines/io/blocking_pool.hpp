#pragma once

#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <optional>
#include <stop_token>
#include <type_traits>
#include <utility>

#include "pipelines/io/task.hpp"

namespace banger {

/// Threads for plain functions that block: inflate, hash, libarchive, libext2fs, SQLite.
/// Coroutines never run here (cancelling across executors corrupts memory in Asio 1.26, asio
/// #1332).
class BlockingPool {
  public:
    explicit BlockingPool(unsigned threads);
    ~BlockingPool();
    /// Waits until the running functions are done; call before the io_context goes.
    void join();
    boost::asio::thread_pool& threads() noexcept { return threads_; }

  private:
    boost::asio::thread_pool threads_;
};

namespace detail {

Task<void> run_on_pool(BlockingPool& pool, std::function<void(std::stop_token)> fn);

}  // namespace detail

/// Runs fn(std::stop_token) on the pool and resumes on the caller's executor with its result or
/// exception. Cancelling requests stop on the token; the await still waits until fn has returned,
/// so fn may refer to the caller's locals, and then throws operation_aborted (or what fn threw,
/// unless that is Error{cancelled}). A function that has not begun is not waited for: it never
/// will.
template <class Fn>
Task<std::invoke_result_t<Fn&, std::stop_token>> run_blocking(BlockingPool& pool, Fn fn) {
    using Result = std::invoke_result_t<Fn&, std::stop_token>;
    if constexpr (std::is_void_v<Result>) {
        co_await detail::run_on_pool(pool, std::ref(fn));
    } else {
        std::optional<Result> result;
        auto job = [&](std::stop_token stop) { result.emplace(fn(std::move(stop))); };
        co_await detail::run_on_pool(pool, std::ref(job));
        co_return std::move(*result);
    }
}

}  // namespace banger
