#pragma once

#include <chrono>
#include <exception>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "pipelines/io/task.hpp"

namespace banger {

/// What stands for T in a variant or tuple: void becomes std::monostate.
template <class T>
using ValueOf = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

/// operation_aborted or Error{cancelled}: an echo of a cancellation, which a real error outranks.
bool is_cancellation(const std::exception_ptr& error);

/// Throws operation_aborted, as a cancelled await does.
[[noreturn]] void throw_cancelled();

namespace detail {

enum class JoinUntil { one_finished, one_failed };

/// How two tasks ended, both of them joined.
struct Joined {
    int first = 0;
    std::exception_ptr errors[2];
};

/// Runs both; when `until` happens, the other is cancelled. Not a template, so that only wait.cpp
/// pays for parallel_group.
Task<Joined> join_two(Task<void> a, Task<void> b, JoinUntil until);
/// Rethrows the first real exception, or else the first cancellation, if there is any.
void rethrow_first(const Joined& joined);
/// Waits for `task` within `limit`; throws unless `task` finished in time without an exception.
Task<void> join_within(std::chrono::steady_clock::duration limit, Task<void> task,
                       std::string what);

template <class T>
Task<void> store(Task<T> task, std::optional<ValueOf<T>>& result) {
    if constexpr (std::is_void_v<T>) {
        co_await std::move(task);
        result.emplace();
    } else {
        result.emplace(co_await std::move(task));
    }
}

}  // namespace detail

/// Suspends for `duration`; cancelling ends it with operation_aborted.
Task<void> sleep_for(std::chrono::steady_clock::duration duration);

/// Waits for the first of the two to *finish* (value or exception), cancels the other, and joins it
/// before returning. What the other one still brought is dropped.
template <class A, class B>
Task<std::variant<ValueOf<A>, ValueOf<B>>> race(Task<A> a, Task<B> b) {
    using Result = std::variant<ValueOf<A>, ValueOf<B>>;
    std::optional<ValueOf<A>> first;
    std::optional<ValueOf<B>> second;
    auto joined = co_await detail::join_two(detail::store(std::move(a), first),
                                            detail::store(std::move(b), second),
                                            detail::JoinUntil::one_finished);
    if (joined.errors[joined.first]) std::rethrow_exception(joined.errors[joined.first]);
    if (joined.first == 0) co_return Result(std::in_place_index<0>, std::move(*first));
    co_return Result(std::in_place_index<1>, std::move(*second));
}

/// Waits for both. The first exception cancels the other; after the join the first real exception
/// is rethrown (one that only echoes a cancellation counts less).
template <class A, class B>
Task<std::tuple<ValueOf<A>, ValueOf<B>>> when_all(Task<A> a, Task<B> b) {
    std::optional<ValueOf<A>> first;
    std::optional<ValueOf<B>> second;
    auto joined = co_await detail::join_two(detail::store(std::move(a), first),
                                            detail::store(std::move(b), second),
                                            detail::JoinUntil::one_failed);
    detail::rethrow_first(joined);
    co_return std::tuple<ValueOf<A>, ValueOf<B>>(std::move(*first), std::move(*second));
}

/// Throws Error{timed_out, what} when `task` needs longer than `limit`; it is cancelled and joined
/// first, so a task that does not heed cancellation holds this up.
template <class T>
Task<T> with_timeout(std::chrono::steady_clock::duration limit, Task<T> task, std::string what) {
    std::optional<ValueOf<T>> result;
    co_await detail::join_within(limit, detail::store(std::move(task), result), std::move(what));
    if constexpr (!std::is_void_v<T>) co_return std::move(*result);
}

}  // namespace banger
