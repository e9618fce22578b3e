#include "pipelines/io/blocking_pool.hpp"

#include <atomic>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <exception>
#include <memory>

#include "pipelines/io/wait.hpp"

namespace banger {

namespace asio = boost::asio;

BlockingPool::BlockingPool(unsigned threads) : threads_(threads) {}

BlockingPool::~BlockingPool() {
    join();
}

void BlockingPool::join() {
    threads_.join();
}

namespace detail {
namespace {

/// Shared by the loop, which may request the stop, and the worker, which reports the end.
struct Job {
    std::function<void(std::stop_token)> fn;
    std::stop_source stop;
    std::exception_ptr error;
    std::atomic_flag taken;  ///< by the worker that runs it, or by the loop that gave it up

    /// True for the first who asks.
    bool take() noexcept { return !taken.test_and_set(); }

    void run() noexcept {
        try {
            fn(stop.get_token());
        } catch (...) {
            error = std::current_exception();
        }
    }
};

template <class Handler>
void start(BlockingPool& pool, std::shared_ptr<Job> job, Handler handler) {
    auto slot = asio::get_associated_cancellation_slot(handler);
    auto executor = asio::get_associated_executor(handler);
    auto loop = asio::make_work_guard(executor);
    // Called once, by whoever has taken the job. The job goes along, so that an exception is also
    // destroyed on the loop that looks at it.
    auto resume = [job, slot, loop = std::move(loop), handler = std::move(handler)]() mutable {
        auto end = [job = std::move(job), slot, handler = std::move(handler)]() mutable {
            if (slot.is_connected()) slot.clear();
            std::move(handler)();
        };
        asio::post(loop.get_executor(), std::move(end));
        loop.reset();
    };
    // Owned by what waits in the pool's queue.
    auto waiting = std::make_shared<decltype(resume)>(std::move(resume));
    if (slot.is_connected()) {
        slot.assign([job, weak = std::weak_ptr(waiting)](asio::cancellation_type) {
            job->stop.request_stop();
            // What has not begun need not be waited for, however long the queue is.
            const auto still_waiting = weak.lock();
            if (still_waiting && job->take()) (*still_waiting)();
        });
    }
    asio::post(pool.threads(), [job = std::move(job), waiting = std::move(waiting)] {
        if (!job->take()) return;
        job->run();
        (*waiting)();
    });
}

}  // namespace

Task<void> run_on_pool(BlockingPool& pool, std::function<void(std::stop_token)> fn) {
    auto job = std::make_shared<Job>();
    job->fn = std::move(fn);
    auto initiate = [&pool, job](auto handler) { start(pool, job, std::move(handler)); };
    co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(initiate,
                                                                         asio::use_awaitable);
    const bool stopped = job->stop.stop_requested();
    if (job->error && !(stopped && is_cancellation(job->error))) {
        std::rethrow_exception(job->error);
    }
    if (stopped) throw_cancelled();
}

}  // namespace detail
}  // namespace banger
