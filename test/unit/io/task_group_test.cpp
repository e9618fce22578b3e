#include "pipelines/io/task_group.hpp"

#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>

#include "pipelines/io/error.hpp"
#include "pipelines/io/wait.hpp"
#include "test/support/catch.hpp"
#include "test/support/run_task.hpp"

using namespace banger;
using namespace std::chrono_literals;
using banger::test::run_task;

namespace {

Task<void> count_after(std::chrono::milliseconds delay, int& counter) {
    co_await sleep_for(delay);
    ++counter;
}

Task<void> throw_after(std::chrono::milliseconds delay, Errc code, std::string message) {
    co_await sleep_for(delay);
    throw Error(code, message);
}

Task<void> count_cancellation(int& cancelled) {
    try {
        co_await sleep_for(1h);
    } catch (const boost::system::system_error&) {
        ++cancelled;
        throw;
    }
}

}  // namespace

TEST_CASE("join waits for every child") {
    auto body = []() -> Task<int> {
        int counter = 0;
        TaskGroup group(co_await boost::asio::this_coro::executor);
        group.spawn(count_after(1ms, counter));
        group.spawn(count_after(10ms, counter));
        group.spawn(count_after(0ms, counter));
        co_await group.join();
        co_return counter;
    };

    CHECK(run_task(body()) == 3);
}

TEST_CASE("an empty group joins at once") {
    auto body = []() -> Task<void> {
        TaskGroup group(co_await boost::asio::this_coro::executor);
        co_await group.join();
    };

    CHECK_NOTHROW(run_task(body()));
}

TEST_CASE("a child that throws cancels its siblings and join rethrows") {
    auto body = [](int& cancelled) -> Task<void> {
        TaskGroup group(co_await boost::asio::this_coro::executor);
        group.spawn(count_cancellation(cancelled));
        group.spawn(throw_after(1ms, Errc::conflict, "first"));
        group.spawn(count_cancellation(cancelled));
        co_await group.join();
    };
    int cancelled = 0;

    CHECK_THROWS_WITH(run_task(body(cancelled)), "first");
    CHECK(cancelled == 2);
}

TEST_CASE("a real error outranks the echo of a cancellation that came before it") {
    auto late = []() -> Task<void> {
        try {
            co_await sleep_for(1h);
        } catch (const boost::system::system_error&) {
            throw Error(Errc::no_space, "disk full");
        }
    };
    auto body = [](Task<void> other) -> Task<void> {
        TaskGroup group(co_await boost::asio::this_coro::executor);
        group.spawn(throw_after(1ms, Errc::cancelled, "the other side has gone"));
        group.spawn(std::move(other));
        co_await group.join();
    };

    CHECK_THROWS_WITH(run_task(body(late())), "disk full");
}

TEST_CASE("cancel ends every child and join then returns without an error") {
    auto body = [](int& cancelled) -> Task<void> {
        TaskGroup group(co_await boost::asio::this_coro::executor);
        group.spawn(count_cancellation(cancelled));
        group.spawn(count_cancellation(cancelled));
        co_await sleep_for(1ms);
        group.cancel();
        co_await group.join();
    };
    int cancelled = 0;

    CHECK_NOTHROW(run_task(body(cancelled)));
    CHECK(cancelled == 2);
}

TEST_CASE("a child spawned into a cancelled group is cancelled too") {
    auto body = []() -> Task<void> {
        TaskGroup group(co_await boost::asio::this_coro::executor);
        group.cancel();
        group.spawn(sleep_for(1h));
        co_await group.join();
    };

    CHECK_NOTHROW(run_task(body()));
}

TEST_CASE("a cancel before the children have begun is not lost") {
    auto body = [](int& counter) -> Task<void> {
        TaskGroup group(co_await boost::asio::this_coro::executor);
        group.spawn(count_after(1h, counter));
        group.cancel();
        co_await group.join();
    };
    int counter = 0;

    CHECK_NOTHROW(run_task(body(counter)));
    CHECK(counter == 0);
}

TEST_CASE("cancelling the joiner cancels and joins the children first") {
    auto body = [](int& cancelled, bool& passed_on) -> Task<void> {
        TaskGroup group(co_await boost::asio::this_coro::executor);
        group.spawn(count_cancellation(cancelled));
        group.spawn(count_cancellation(cancelled));
        try {
            co_await group.join();
        } catch (const boost::system::system_error& e) {
            passed_on = e.code() == boost::asio::error::operation_aborted;
            throw;
        }
    };
    int cancelled = 0;
    bool passed_on = false;

    run_task(race(body(cancelled, passed_on), sleep_for(5ms)));

    CHECK(cancelled == 2);
    CHECK(passed_on);
}

TEST_CASE("a child may spawn a sibling") {
    auto parent = [](TaskGroup& group, int& counter) -> Task<void> {
        co_await sleep_for(1ms);
        group.spawn(count_after(1ms, counter));
    };
    auto body = [](auto spawner) -> Task<int> {
        int counter = 0;
        TaskGroup group(co_await boost::asio::this_coro::executor);
        group.spawn(spawner(group, counter));
        co_await group.join();
        co_return counter;
    };

    CHECK(run_task(body(parent)) == 1);
}

TEST_CASE("a thousand children come and go") {
    auto body = []() -> Task<int> {
        int counter = 0;
        TaskGroup group(co_await boost::asio::this_coro::executor);
        for (int i = 0; i < 1000; ++i) {
            group.spawn(count_after(std::chrono::milliseconds(i % 7), counter));
        }
        co_await group.join();
        co_return counter;
    };

    CHECK(run_task(body()) == 1000);
}
