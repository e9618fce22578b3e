#pragma once

#include <boost/asio/thread_pool.hpp>
#include <stop_token>

#include "pipelines/io/task.hpp"

namespace banger {

/// Threads for plain functions that block: inflate, hash, libarchive, libext2fs, SQLite.
/// Coroutines never run here (cancelling across executors corrupts memory in Asio 1.26, asio #1332).
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

// template <class Fn> Task<std::invoke_result_t<Fn, std::stop_token>> run_blocking(BlockingPool&, Fn fn);
//
// Runs fn(std::stop_token) on the pool and resumes on the caller's executor with its result or
// exception. Cancelling requests stop on the token; the await still waits until fn has returned, so
// fn may refer to the caller's locals, and then throws operation_aborted.

}  // namespace banger
