#include "pipelines/io/wait.hpp"

#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <memory>

#include "pipelines/io/error.hpp"
#include "pipelines/io/task_group.hpp"
#include "test/support/catch.hpp"
#include "test/support/run_task.hpp"

using namespace banger;
using namespace std::chrono_literals;
using banger::test::run_task;

namespace {

template <class T>
Task<T> value_after(std::chrono::milliseconds delay, T value) {
    co_await sleep_for(delay);
    co_return value;
}

Task<int> fail_after(std::chrono::milliseconds delay, std::string message) {
    co_await sleep_for(delay);
    throw Error(Errc::conflict, message);
}

/// Sleeps for ever and tells how it was ended.
Task<void> sleep_until_cancelled(bool& cancelled) {
    try {
        co_await sleep_for(1h);
    } catch (const boost::system::system_error& e) {
        cancelled = e.code() == boost::asio::error::operation_aborted;
        throw;
    }
}

Task<void> ignore_cancellation(std::chrono::milliseconds delay, bool& finished) {
    co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
    co_await sleep_for(delay);
    finished = true;
}

}  // namespace

TEST_CASE("race returns the value of whichever finishes first") {
    auto result = run_task(race(value_after(1h, 1), value_after(1ms, std::string("quick"))));

    REQUIRE(result.index() == 1);
    CHECK(std::get<1>(result) == "quick");
}

TEST_CASE("race tells apart two tasks of the same type") {
    CHECK(run_task(race(value_after(1ms, 7), value_after(1h, 8))).index() == 0);
    CHECK(run_task(race(value_after(1h, 7), value_after(1ms, 8))).index() == 1);
}

TEST_CASE("race cancels the loser and waits for its end") {
    bool cancelled = false;

    run_task(race(sleep_until_cancelled(cancelled), sleep_for(1ms)));

    CHECK(cancelled);
}

TEST_CASE("race joins a loser that does not heed the cancellation") {
    bool finished = false;

    run_task(race(ignore_cancellation(30ms, finished), sleep_for(1ms)));

    CHECK(finished);
}

TEST_CASE("race rethrows the exception of the task that finishes first") {
    bool cancelled = false;

    CHECK_THROWS_WITH(run_task(race(fail_after(1ms, "broken"), sleep_until_cancelled(cancelled))),
                      "broken");
    CHECK(cancelled);
}

TEST_CASE("race carries values that can only be moved") {
    auto result = run_task(race(value_after(1ms, std::make_unique<int>(3)), sleep_for(1h)));

    CHECK(*std::get<0>(result) == 3);
}

TEST_CASE("when_all returns both values") {
    auto [number, text] =
        run_task(when_all(value_after(2ms, 5), value_after(1ms, std::string("x"))));

    CHECK(number == 5);
    CHECK(text == "x");
}

TEST_CASE("when_all cancels the other task when one fails") {
    bool cancelled = false;

    CHECK_THROWS_WITH(
        run_task(when_all(sleep_until_cancelled(cancelled), fail_after(1ms, "broken"))), "broken");
    CHECK(cancelled);
}

TEST_CASE("when_all prefers a real error to an echo of a cancellation") {
    auto echo = []() -> Task<void> {
        co_await sleep_for(1ms);
        throw Error(Errc::cancelled, "the other side has gone");
    };
    auto real = []() -> Task<void> {
        try {
            co_await sleep_for(1h);
        } catch (const boost::system::system_error&) {
            throw Error(Errc::no_space, "disk full");
        }
    };

    CHECK_THROWS_WITH(run_task(when_all(echo(), real())), "disk full");
}

TEST_CASE("with_timeout passes a value through") {
    CHECK(run_task(with_timeout(1h, value_after(1ms, 9), "too slow")) == 9);
}

TEST_CASE("with_timeout throws timed_out with the given words") {
    bool cancelled = false;

    try {
        run_task(with_timeout(1ms, sleep_until_cancelled(cancelled), "no answer from box"));
        FAIL("no exception");
    } catch (const Error& e) {
        CHECK(e.code() == Errc::timed_out);
        CHECK(std::string(e.what()) == "no answer from box");
    }
    CHECK(cancelled);
}

TEST_CASE("with_timeout passes an exception through") {
    CHECK_THROWS_WITH(run_task(with_timeout(1h, fail_after(1ms, "broken"), "too slow")), "broken");
}

TEST_CASE("an outer timeout reaches the leaf of an inner one") {
    bool cancelled = false;
    auto inner = with_timeout(1h, sleep_until_cancelled(cancelled), "inner");

    CHECK_THROWS_WITH(run_task(with_timeout(5ms, std::move(inner), "outer")), "outer");
    CHECK(cancelled);
}

TEST_CASE("an inner timeout is not mistaken for the outer one") {
    auto inner = with_timeout(1ms, sleep_for(1h), "inner");

    CHECK_THROWS_WITH(run_task(with_timeout(1h, std::move(inner), "outer")), "inner");
}

TEST_CASE("a cancelled with_timeout ends as a cancellation, not as a timeout") {
    auto body = [](bool& aborted) -> Task<void> {
        try {
            co_await with_timeout(1h, sleep_for(1h), "too slow");
        } catch (const boost::system::system_error& e) {
            aborted = e.code() == boost::asio::error::operation_aborted;
            throw;
        }
    };
    bool aborted = false;

    run_task(race(body(aborted), sleep_for(1ms)));

    CHECK(aborted);
}

TEST_CASE("run_task reports a task that never ends") {
    CHECK_THROWS_WITH(run_task(sleep_for(1h), 1s), test::ContainsSubstring("did not finish"));
}
