#include <boost/asio/this_coro.hpp>
#include <chrono>

#include "daemon/image/shared_work.hpp"
#include "pipelines/io/error.hpp"
#include "test/support/catch.hpp"
#include "test/support/run_task.hpp"

using namespace banger;
using namespace std::chrono_literals;
using test::run_task;

namespace {

struct Bench {
    explicit Bench(boost::asio::any_io_executor executor)
        : shared(executor), askers(executor), gate(executor) {}

    // Work that reports once, then waits until the gate is opened.
    SharedWork<int>::Work work() {
        return [this](ProgressSink progress) { return run(std::move(progress)); };
    }

    Task<int> run(ProgressSink progress) {
        ++started;
        progress({.stage = "step", .message = {}});
        auto state = co_await boost::asio::this_coro::cancellation_state;
        while (!open && state.cancelled() == boost::asio::cancellation_type::none) {
            co_await gate.wait();
        }
        if (!open) {
            ++cancelled;
            throw_cancelled();
        }
        if (broken) fail(Errc::unavailable, "the registry is down");
        co_return 42;
    }

    Task<void> ask() {
        auto count = [this](const Progress&) { ++reports; };
        results += co_await shared.join("key", work(), count);
    }

    void release() {
        open = true;
        gate.notify();
    }

    SharedWork<int> shared;
    TaskGroup askers;
    Notifier gate;
    bool open = false;
    bool broken = false;
    int started = 0;
    int cancelled = 0;
    int reports = 0;
    int results = 0;
};

template <class Fn>
void with_bench(Fn scenario) {
    run_task([](Fn& body) -> Task<void> {
        Bench bench(co_await boost::asio::this_coro::executor);
        co_await body(bench);
    }(scenario));
}

}  // namespace

TEST_CASE("ten who ask for the same at once get it from one run") {
    with_bench([](Bench& bench) -> Task<void> {
        for (int i = 0; i < 10; ++i)
            bench.askers.spawn(bench.ask());
        co_await sleep_for(5ms);
        bench.release();
        co_await bench.askers.join();

        CHECK(bench.started == 1);
        CHECK(bench.results == 420);
        CHECK(bench.reports == 10);  // each once, late or not
    });
}

TEST_CASE("when all but one vanish the last one still gets it") {
    with_bench([](Bench& bench) -> Task<void> {
        TaskGroup fickle(co_await boost::asio::this_coro::executor);
        for (int i = 0; i < 9; ++i)
            fickle.spawn(bench.ask());
        bench.askers.spawn(bench.ask());
        co_await sleep_for(5ms);
        fickle.cancel();
        co_await fickle.join();
        bench.release();
        co_await bench.askers.join();

        CHECK(bench.started == 1);
        CHECK(bench.cancelled == 0);
        CHECK(bench.results == 42);
    });
}

TEST_CASE("when all vanish the work is cancelled and a later asker starts anew") {
    with_bench([](Bench& bench) -> Task<void> {
        TaskGroup fickle(co_await boost::asio::this_coro::executor);
        fickle.spawn(bench.ask());
        fickle.spawn(bench.ask());
        co_await sleep_for(5ms);
        fickle.cancel();
        co_await fickle.join();
        CHECK(bench.cancelled == 1);

        bench.release();
        bench.askers.spawn(bench.ask());
        co_await bench.askers.join();
        CHECK(bench.started == 2);
        CHECK(bench.results == 42);
    });
}

TEST_CASE("a failure reaches everyone who waited") {
    with_bench([](Bench& bench) -> Task<void> {
        bench.broken = true;
        int failures = 0;
        auto ask = [](Bench& from, int& count) -> Task<void> {
            try {
                co_await from.ask();
            } catch (const Error& error) {
                count += error.code() == Errc::unavailable ? 1 : 0;
            }
        };
        bench.askers.spawn(ask(bench, failures));
        bench.askers.spawn(ask(bench, failures));
        co_await sleep_for(5ms);
        bench.release();
        co_await bench.askers.join();

        CHECK(failures == 2);
        CHECK(bench.started == 1);
    });
}
