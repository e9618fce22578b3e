#include "pipelines/io/blocking_pool.hpp"

#include <atomic>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <memory>
#include <thread>

#include "pipelines/io/error.hpp"
#include "pipelines/io/task_group.hpp"
#include "pipelines/io/wait.hpp"
#include "test/support/catch.hpp"
#include "test/support/run_task.hpp"

using namespace banger;
using namespace std::chrono_literals;
using banger::test::run_task;

namespace {

void wait_for_stop(const std::stop_token& stop) {
    while (!stop.stop_requested())
        std::this_thread::sleep_for(1ms);
}

}  // namespace

TEST_CASE("run_blocking returns the result from another thread") {
    BlockingPool pool(1);
    auto id = [](std::stop_token) { return std::this_thread::get_id(); };

    CHECK(run_task(run_blocking(pool, id)) != std::this_thread::get_id());
}

TEST_CASE("run_blocking takes functions and results that can only be moved") {
    BlockingPool pool(1);
    auto owned = std::make_unique<int>(4);
    auto fn = [owned = std::move(owned)](std::stop_token) mutable { return std::move(owned); };

    CHECK(*run_task(run_blocking(pool, std::move(fn))) == 4);
}

TEST_CASE("run_blocking rethrows what the function threw") {
    BlockingPool pool(1);
    auto fn = [](std::stop_token) -> int { throw Error(Errc::no_space, "disk full"); };

    CHECK_THROWS_WITH(run_task(run_blocking(pool, fn)), "disk full");
}

TEST_CASE("run_blocking resumes on the loop's thread") {
    BlockingPool pool(2);
    auto body = [](BlockingPool& threads) -> Task<std::thread::id> {
        co_await run_blocking(threads, [](std::stop_token) {});
        co_return std::this_thread::get_id();
    };

    CHECK(run_task(body(pool)) == std::this_thread::get_id());
}

TEST_CASE(
    "cancelling run_blocking while it waits for a thread ends it at once, and it never runs") {
    BlockingPool pool(1);
    std::stop_source release;
    std::atomic<bool> began = false;
    auto busy = [&](BlockingPool& threads) -> Task<void> {
        co_await run_blocking(threads,
                              [&](std::stop_token) { wait_for_stop(release.get_token()); });
    };
    auto queued = [&](BlockingPool& threads) -> Task<void> {
        co_await run_blocking(threads, [&](std::stop_token) { began = true; });
    };
    auto scenario = [&](BlockingPool& threads) -> Task<void> {
        TaskGroup group(co_await boost::asio::this_coro::executor);
        group.spawn(busy(threads));
        TaskGroup given_up(co_await boost::asio::this_coro::executor);
        given_up.spawn(queued(threads));
        co_await sleep_for(5ms);
        given_up.cancel();
        // The one thread is busy until this has returned.
        co_await given_up.join();
        release.request_stop();
        co_await group.join();
        // Whatever still waits in the queue goes by.
        co_await run_blocking(threads, [](std::stop_token) {});
    };

    run_task(scenario(pool));

    CHECK_FALSE(began);
}

TEST_CASE("cancelling run_blocking requests stop and waits for the function") {
    BlockingPool pool(1);
    bool returned = false;
    bool aborted = false;
    auto body = [](BlockingPool& threads, bool& done, bool& cancelled) -> Task<void> {
        try {
            co_await run_blocking(threads, [&done](std::stop_token stop) {
                wait_for_stop(stop);
                std::this_thread::sleep_for(20ms);
                done = true;
            });
        } catch (const boost::system::system_error& e) {
            cancelled = done && e.code() == boost::asio::error::operation_aborted;
            throw;
        }
    };

    run_task(race(body(pool, returned, aborted), sleep_for(5ms)));

    CHECK(returned);
    CHECK(aborted);
}

TEST_CASE("Error cancelled thrown on a requested stop becomes operation_aborted") {
    BlockingPool pool(1);
    bool aborted = false;
    auto body = [](BlockingPool& threads, bool& cancelled) -> Task<void> {
        try {
            co_await run_blocking(threads, [](std::stop_token stop) {
                wait_for_stop(stop);
                throw Error(Errc::cancelled, "stopped");
            });
        } catch (const boost::system::system_error&) {
            cancelled = true;
            throw;
        }
    };

    run_task(race(body(pool, aborted), sleep_for(5ms)));

    CHECK(aborted);
}

TEST_CASE("a real error of a stopped function is not hidden by the cancellation") {
    BlockingPool pool(1);
    auto fn = [](std::stop_token stop) {
        wait_for_stop(stop);
        throw Error(Errc::no_space, "disk full");
    };
    auto body = [](auto job, BlockingPool& threads) -> Task<void> {
        TaskGroup group(co_await boost::asio::this_coro::executor);
        group.spawn(run_blocking(threads, job));
        co_await sleep_for(5ms);
        group.cancel();
        co_await group.join();
    };

    CHECK_THROWS_WITH(run_task(body(fn, pool)), "disk full");
}

TEST_CASE("a thousand calls cancelled at any moment leave nothing behind") {
    BlockingPool pool(2);
    auto body = [](BlockingPool& threads) -> Task<void> {
        for (int i = 0; i < 1000; ++i) {
            int local = 0;
            auto job = [&local](std::stop_token stop) {
                while (!stop.stop_requested() && local < 20) {
                    ++local;
                    std::this_thread::sleep_for(10us);
                }
            };
            co_await race(run_blocking(threads, job),
                          sleep_for(std::chrono::microseconds(i % 300)));
        }
    };

    CHECK_NOTHROW(run_task(body(pool)));
}
