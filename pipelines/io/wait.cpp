#include "pipelines/io/wait.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>

#include "pipelines/io/error.hpp"

namespace banger {

namespace asio = boost::asio;

bool is_cancellation(const std::exception_ptr& error) {
    if (!error) return false;
    try {
        std::rethrow_exception(error);
    } catch (const boost::system::system_error& e) {
        return e.code() == asio::error::operation_aborted;
    } catch (const Error& e) {
        return e.code() == Errc::cancelled;
    } catch (...) {
        return false;
    }
}

void throw_cancelled() {
    throw boost::system::system_error(asio::error::operation_aborted);
}

Task<void> sleep_for(std::chrono::steady_clock::duration duration) {
    asio::steady_timer timer(co_await asio::this_coro::executor, duration);
    co_await timer.async_wait(asio::use_awaitable);
}

namespace detail {

Task<Joined> join_two(Task<void> a, Task<void> b, JoinUntil until) {
    using asio::experimental::wait_for_one;
    using asio::experimental::wait_for_one_error;
    constexpr auto kStop = asio::cancellation_type::terminal;

    auto executor = co_await asio::this_coro::executor;
    auto group = asio::experimental::make_parallel_group(
        asio::co_spawn(executor, std::move(a), asio::deferred),
        asio::co_spawn(executor, std::move(b), asio::deferred));
    if (until == JoinUntil::one_finished) {
        auto [order, first, second] =
            co_await group.async_wait(wait_for_one(kStop), asio::use_awaitable);
        co_return Joined{static_cast<int>(order[0]), {first, second}};
    }
    auto [order, first, second] =
        co_await group.async_wait(wait_for_one_error(kStop), asio::use_awaitable);
    co_return Joined{static_cast<int>(order[0]), {first, second}};
}

void rethrow_first(const Joined& joined) {
    const auto& first = joined.errors[joined.first];
    const auto& second = joined.errors[1 - joined.first];
    if (first && !is_cancellation(first)) std::rethrow_exception(first);
    if (second && !is_cancellation(second)) std::rethrow_exception(second);
    if (first) std::rethrow_exception(first);
    if (second) std::rethrow_exception(second);
}

Task<void> join_within(std::chrono::steady_clock::duration limit, Task<void> task,
                       std::string what) {
    auto joined = co_await join_two(std::move(task), sleep_for(limit), JoinUntil::one_finished);
    // A value that came at the last moment is kept: it may own something.
    if (!joined.errors[0]) co_return;
    const bool expired = joined.first == 1 && !joined.errors[1];
    if (expired) throw Error(Errc::timed_out, what);
    std::rethrow_exception(joined.errors[0]);
}

}  // namespace detail
}  // namespace banger
