#include "daemon/operations/operations.hpp"

#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <chrono>
#include <exception>
#include <memory>

#include "daemon/operations/progress_log.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/notifier.hpp"
#include "pipelines/io/wait.hpp"
#include "test/support/catch.hpp"
#include "test/support/run_task.hpp"

using namespace banger;
using namespace banger::operations;
using namespace banger::test;
using namespace std::chrono_literals;

namespace {

using boost::json::value;
using Body = Task<void> (*)(Operations&);

Task<void> with_closed_end(Body body) {
    Operations operations(co_await boost::asio::this_coro::executor);
    std::exception_ptr failure;
    try {
        co_await body(operations);
    } catch (...) {
        failure = std::current_exception();
    }
    co_await operations.close();
    if (failure) std::rethrow_exception(failure);
}

void with_operations(Body body) {
    run_task(with_closed_end(body));
}

Task<value> give(value result, ProgressSink) {
    co_return result;
}
Task<value> throw_error(Errc code) {
    fail(code, "it went wrong");
    co_return nullptr;
}
// The flag outlives the test that asks for it: close() cancels what a test left running.
Task<value> hang(std::shared_ptr<bool> cancelled) {
    try {
        co_await sleep_for(1h);
    } catch (const boost::system::system_error&) {
        *cancelled = true;
        throw;
    }
    co_return nullptr;
}
// Work that has its effect before it looks for a cancellation.
Task<value> finish_anyway(Notifier& go) {
    co_await go.wait();
    co_return "done";
}

Operations::Work giving(value result) {
    return [result](ProgressSink sink) { return give(result, std::move(sink)); };
}

bool is_id(const std::string& id) {
    return id.size() == 15 && id.starts_with("op-") &&
           id.find_first_not_of("0123456789abcdef", 3) == std::string::npos;
}

}  // namespace

TEST_CASE("an operation ends with its result") {
    with_operations([](Operations& operations) -> Task<void> {
        const auto started = operations.start("image.pull", "debian", "", giving("image"));
        CHECK(is_id(started.id));
        CHECK(started.state == "running");
        CHECK(!started.finished_at);
        CHECK(operations.running() == 1);
        const auto ended = co_await operations.wait(started.id);
        CHECK(ended.state == "succeeded");
        CHECK(ended.result.as_string() == "image");
        CHECK(ended.finished_at);
        CHECK(operations.running() == 0);
    });
}

TEST_CASE("an operation that throws has failed, and tells code, message and its own id") {
    with_operations([](Operations& operations) -> Task<void> {
        const auto id = operations
                            .start("image.pull", "debian", "",
                                   [](ProgressSink) { return throw_error(Errc::no_space); })
                            .id;
        const auto ended = co_await operations.wait(id);
        CHECK(ended.state == "failed");
        REQUIRE(ended.error);
        CHECK(ended.error->code == "no_space");
        CHECK(ended.error->message == "it went wrong");
        CHECK(ended.error->op_id == id);
    });
}

TEST_CASE("one operation's failure leaves the others running") {
    with_operations([](Operations& operations) -> Task<void> {
        const auto cancelled = std::make_shared<bool>(false);
        auto forever = [cancelled](ProgressSink) { return hang(cancelled); };
        const auto id = operations.start("vm.create", "a", "", forever).id;
        auto wrong = [](ProgressSink) { return throw_error(Errc::internal); };
        co_await operations.wait(operations.start("vm.create", "b", "", wrong).id);
        co_await sleep_for(5ms);
        CHECK(operations.find(id)->state == "running");
        CHECK(!*cancelled);
        operations.cancel(id);
        co_await operations.wait(id);
    });
}

TEST_CASE("cancelling reaches the work, and the operation is cancelled") {
    with_operations([](Operations& operations) -> Task<void> {
        const auto cancelled = std::make_shared<bool>(false);
        auto work = [cancelled](ProgressSink) { return hang(cancelled); };
        const auto id = operations.start("vm.create", "box", "", work).id;
        co_await sleep_for(1ms);
        operations.cancel(id);
        const auto ended = co_await operations.wait(id);
        CHECK(*cancelled);
        CHECK(ended.state == "cancelled");
        CHECK(ended.error->code == "cancelled");
        operations.cancel(id);
        CHECK(operations.find(id)->state == "cancelled");
    });
}

TEST_CASE("an operation cancelled before its first step is cancelled, not succeeded") {
    with_operations([](Operations& operations) -> Task<void> {
        const auto cancelled = std::make_shared<bool>(false);
        auto work = [cancelled](ProgressSink) { return hang(cancelled); };
        const auto id = operations.start("vm.create", "box", "", work).id;
        operations.cancel(id);
        CHECK((co_await operations.wait(id)).state == "cancelled");
    });
}

TEST_CASE("work that was done before the cancellation arrived has succeeded") {
    with_operations([](Operations& operations) -> Task<void> {
        Notifier go(co_await boost::asio::this_coro::executor);
        auto work = [&go](ProgressSink) { return finish_anyway(go); };
        const auto id = operations.start("vm.create", "box", "", work).id;
        co_await sleep_for(1ms);
        go.notify();
        operations.cancel(id);
        const auto ended = co_await operations.wait(id);
        CHECK(ended.state == "succeeded");
        CHECK(ended.result.as_string() == "done");
    });
}

TEST_CASE("an unknown operation cannot be cancelled, watched or waited for") {
    with_operations([](Operations& operations) -> Task<void> {
        CHECK_THROWS_AS(operations.cancel("op-000000000000"), Error);
        CHECK(!operations.find("op-000000000000"));
        bool refused = false;
        try {
            co_await operations.wait("op-000000000000");
        } catch (const Error& error) {
            refused = error.code() == Errc::not_found;
        }
        CHECK(refused);
    });
}

TEST_CASE("the same idempotency key gives the same operation, finished or not") {
    with_operations([](Operations& operations) -> Task<void> {
        const auto first = operations.start("vm.create", "box", "key", giving(1));
        CHECK(operations.start("vm.create", "box", "key", giving(2)).id == first.id);
        co_await operations.wait(first.id);
        CHECK(operations.start("vm.create", "box", "key", giving(3)).result.as_int64() == 1);
        CHECK(operations.start("vm.create", "box", "", giving(4)).id != first.id);
        CHECK_THROWS_AS(operations.start("vm.create", "other", "key", giving(5)), Error);
        CHECK(operations.list().size() == 2);
    });
}

TEST_CASE("events come in order, and resuming skips those that are known") {
    with_operations([](Operations& operations) -> Task<void> {
        ProgressSink report;
        const auto cancelled = std::make_shared<bool>(false);
        auto work = [&report, cancelled](ProgressSink sink) {
            report = std::move(sink);
            return hang(cancelled);
        };
        const auto id = operations.start("image.pull", "debian", "", work).id;
        co_await sleep_for(1ms);
        report({.stage = "download", .item = "a", .done = 1, .total = 9, .message = ""});
        report({.stage = "download", .item = "b", .done = 2, .total = 9, .message = ""});
        auto events = co_await operations.events_after(id, 0);
        REQUIRE(events.size() == 2);
        CHECK(events[0].item == "a");
        CHECK(events[0].seq == 1);
        CHECK(events[1].seq == 2);
        events = co_await operations.events_after(id, 1);
        REQUIRE(events.size() == 1);
        CHECK(events[0].item == "b");
        operations.cancel(id);
        CHECK((co_await operations.events_after(id, 2)).empty());
    });
}

TEST_CASE("a slow reader sees the newest of each item, not all of them") {
    with_operations([](Operations& operations) -> Task<void> {
        ProgressSink report;
        const auto cancelled = std::make_shared<bool>(false);
        auto work = [&report, cancelled](ProgressSink sink) {
            report = std::move(sink);
            return hang(cancelled);
        };
        const auto id = operations.start("image.pull", "debian", "", work).id;
        co_await sleep_for(1ms);
        for (std::uint64_t i = 1; i <= 10'000; ++i) {
            report({.stage = "download",
                    .item = i % 2 ? "a" : "b",
                    .done = i,
                    .total = 0,
                    .message = ""});
        }
        const auto events = co_await operations.events_after(id, 0);
        REQUIRE(events.size() == 2);
        CHECK(events[0].done == 9'999);
        CHECK(events[1].done == 10'000);
        CHECK(events[1].seq == 10'000);
        operations.cancel(id);
    });
}

TEST_CASE("only the newest thousand finished operations are remembered") {
    with_operations([](Operations& operations) -> Task<void> {
        const auto cancelled = std::make_shared<bool>(false);
        auto forever = [cancelled](ProgressSink) { return hang(cancelled); };
        const auto running = operations.start("vm.create", "first", "", forever).id;
        const auto oldest = operations.start("vm.start", "x", "key", giving(0)).id;
        co_await operations.wait(oldest);
        for (std::size_t i = 0; i < Operations::kMaxFinished; ++i) {
            co_await operations.wait(operations.start("vm.start", "x", "", giving(1)).id);
        }
        CHECK(operations.list().size() == Operations::kMaxFinished + 1);
        CHECK(!operations.find(oldest));
        CHECK(operations.find(running));
        CHECK(operations.start("vm.start", "x", "key", giving(2)).id != oldest);
    });
}

TEST_CASE("too many operations at once are refused, and so are those after the end") {
    with_operations([](Operations& operations) -> Task<void> {
        const auto cancelled = std::make_shared<bool>(false);
        auto forever = [cancelled](ProgressSink) { return hang(cancelled); };
        for (std::size_t i = 0; i < Operations::kMaxRunning; ++i) {
            operations.start("vm.create", "x", "", forever);
        }
        CHECK_THROWS_AS(operations.start("vm.create", "x", "", forever), Error);
        co_await operations.close();
        CHECK(operations.running() == 0);
        CHECK_THROWS_AS(operations.start("vm.create", "x", "", giving(1)), Error);
    });
}

TEST_CASE("a rate counts from the first event of its item, and a retry begins anew") {
    ProgressLog log;
    const auto start = ProgressLog::Clock::now();
    log.add({.stage = "s", .item = "i", .done = 1'000, .total = 0, .message = ""}, start);
    CHECK(log.after(0).back().rate == 0);
    log.add({.stage = "s", .item = "i", .done = 3'000, .total = 0, .message = ""}, start + 500ms);
    CHECK(log.after(0).back().rate == 4'000);
    log.add({.stage = "s", .item = "i", .done = 100, .total = 0, .message = ""}, start + 1s);
    CHECK(log.after(0).back().rate == 0);
    log.add({.stage = "s", .item = "i", .done = 200, .total = 0, .message = ""}, start + 2s);
    CHECK(log.after(0).back().rate == 100);
}

TEST_CASE("a log of very many items keeps the newest") {
    ProgressLog log;
    const auto now = ProgressLog::Clock::now();
    for (std::size_t i = 0; i < ProgressLog::kMaxEvents + 10; ++i) {
        log.add({.stage = "s", .item = std::to_string(i), .done = i, .total = 0, .message = ""},
                now);
    }
    const auto events = log.after(0);
    CHECK(events.size() == ProgressLog::kMaxEvents);
    CHECK(events.front().item == "10");
}
