#include <boost/asio/this_coro.hpp>
#include <cstring>
#include <future>
#include <thread>

#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/buffer_pool.hpp"
#include "pipelines/io/byte_pipe.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/wait.hpp"
#include "test/support/catch.hpp"
#include "test/support/run_task.hpp"

using namespace banger;
using namespace std::chrono_literals;
using banger::test::run_task;

namespace {

Task<void> push_numbers(BytePipe& pipe, int count) {
    for (int i = 0; i < count; ++i) {
        Chunk chunk = pipe.take_empty();
        std::memcpy(chunk.writable().data(), &i, sizeof i);
        chunk.size = sizeof i;
        co_await pipe.push(std::move(chunk));
    }
    pipe.close();
}

/// Pops to the end; the sum of the numbers, or -1 when one was out of order.
long sum_numbers(BytePipe& pipe, std::stop_token stop) {
    long sum = 0;
    int expected = 0;
    while (auto chunk = pipe.pop_blocking(stop)) {
        int number = 0;
        std::memcpy(&number, chunk->bytes().data(), sizeof number);
        if (number != expected++) return -1;
        sum += number;
        pipe.recycle(std::move(*chunk));
    }
    return sum;
}

Task<void> fill(BytePipe& pipe, int count) {
    for (int i = 0; i < count; ++i)
        co_await pipe.push(pipe.take_empty());
}

}  // namespace

TEST_CASE("chunks arrive whole and in order through a narrow pipe") {
    auto body = [](BlockingPool& pool) -> Task<long> {
        BytePipe pipe(co_await boost::asio::this_coro::executor, 2);
        auto reader = [&pipe](std::stop_token stop) { return sum_numbers(pipe, stop); };
        auto [pushed, sum] =
            co_await when_all(push_numbers(pipe, 2000), run_blocking(pool, reader));
        co_return sum;
    };
    BlockingPool pool(1);

    CHECK(run_task(body(pool)) == 1999L * 2000 / 2);
}

TEST_CASE("push suspends while the pipe is full") {
    auto body = []() -> Task<bool> {
        BytePipe pipe(co_await boost::asio::this_coro::executor, 2);
        co_await fill(pipe, 2);
        auto winner = co_await race(fill(pipe, 1), sleep_for(10ms));
        co_return winner.index() == 1;
    };

    CHECK(run_task(body()));
}

TEST_CASE("a worker that abandons the pipe releases a suspended push") {
    auto body = [](BlockingPool& pool) -> Task<void> {
        BytePipe pipe(co_await boost::asio::this_coro::executor, 1);
        auto reader = [&pipe](std::stop_token) {
            std::this_thread::sleep_for(10ms);
            pipe.abandon();
        };
        co_await when_all(fill(pipe, 5), run_blocking(pool, reader));
    };
    BlockingPool pool(1);

    try {
        run_task(body(pool));
        FAIL("no exception");
    } catch (const Error& e) {
        CHECK(e.code() == Errc::cancelled);
    }
}

TEST_CASE("the failure of the source reaches the worker") {
    auto body = [](BlockingPool& pool) -> Task<void> {
        BytePipe pipe(co_await boost::asio::this_coro::executor, 4);
        co_await fill(pipe, 2);
        pipe.fail(std::make_exception_ptr(Error(Errc::unavailable, "the connection broke")));
        co_await run_blocking(pool,
                              [&pipe](std::stop_token stop) { return sum_numbers(pipe, stop); });
    };
    BlockingPool pool(1);

    CHECK_THROWS_WITH(run_task(body(pool)), "the connection broke");
}

TEST_CASE("a worker that waits for a chunk heeds its stop token") {
    auto body = [](BlockingPool& pool, bool& stopped) -> Task<void> {
        BytePipe pipe(co_await boost::asio::this_coro::executor, 4);
        auto reader = [&pipe, &stopped](std::stop_token stop) {
            try {
                pipe.pop_blocking(stop);
            } catch (const Error& e) {
                stopped = e.code() == Errc::cancelled;
            }
        };
        co_await race(run_blocking(pool, reader), sleep_for(5ms));
    };
    BlockingPool pool(1);
    bool stopped = false;

    run_task(body(pool, stopped));

    CHECK(stopped);
}

TEST_CASE("what is queued before close is still read") {
    auto body = []() -> Task<int> {
        BytePipe pipe(co_await boost::asio::this_coro::executor, 4);
        co_await fill(pipe, 3);
        pipe.close();
        int count = 0;
        while (pipe.pop_blocking({}))
            ++count;
        co_return count;
    };

    CHECK(run_task(body()) == 3);
}

TEST_CASE("a recycled chunk is used again") {
    auto body = []() -> Task<bool> {
        BytePipe pipe(co_await boost::asio::this_coro::executor, 4);
        Chunk chunk = pipe.take_empty();
        const auto* memory = chunk.memory.get();
        pipe.recycle(std::move(chunk));
        co_return pipe.take_empty().memory.get() == memory;
    };

    CHECK(run_task(body()));
}

TEST_CASE("leases are distinct buffers, aligned to pages") {
    BufferPool pool(3);
    auto a = pool.lease_blocking({});
    auto b = pool.lease_blocking({});

    CHECK(a.index() != b.index());
    CHECK(a.bytes().size() == BufferPool::kBufferSize);
    CHECK(reinterpret_cast<std::uintptr_t>(a.bytes().data()) % 4096 == 0);
    CHECK(pool.buffers().at(b.index()).data() == b.bytes().data());
}

TEST_CASE("a lease goes back when it is moved over or destroyed") {
    BufferPool pool(1);
    auto lease = pool.lease_blocking({});
    lease = Lease();
    CHECK_FALSE(lease);

    auto again = pool.lease_blocking({});
    Lease other(std::move(again));

    CHECK(other);
    CHECK_FALSE(again);  // NOLINT: a moved-from lease is empty by contract
}

TEST_CASE("lease_blocking waits for a buffer to come back") {
    BufferPool pool(1);
    auto lease = std::make_unique<Lease>(pool.lease_blocking({}));
    auto waiting =
        std::async(std::launch::async, [&pool] { return bool(pool.lease_blocking({})); });

    CHECK(waiting.wait_for(20ms) == std::future_status::timeout);
    lease.reset();

    CHECK(waiting.get());
}

TEST_CASE("a stop request ends the wait for a buffer") {
    BufferPool pool(1);
    auto lease = pool.lease_blocking({});
    std::stop_source stop;
    auto waiting =
        std::async(std::launch::async, [&] { return bool(pool.lease_blocking(stop.get_token())); });

    stop.request_stop();

    CHECK_THROWS_AS(waiting.get(), Error);
}
