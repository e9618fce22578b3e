#pragma once

#include <chrono>

#include "pipelines/io/task.hpp"

namespace banger {

// race, when_all and with_timeout over make_parallel_group, as templates in this header:
//
//   /// Waits for the first of the two to *finish* (value or exception), cancels the other, joins it.
//   template <class A, class B> Task<std::variant<A, B>> race(Task<A> a, Task<B> b);   // void -> std::monostate
//   /// Waits for both; the first real exception cancels the other and is rethrown after the join.
//   template <class A, class B> Task<std::tuple<A, B>> when_all(Task<A> a, Task<B> b);
//   /// Throws Error{timed_out, what} when `task` needs longer than `limit`.
//   template <class T> Task<T> with_timeout(std::chrono::steady_clock::duration limit, Task<T> task, std::string what);
//   Task<void> sleep_for(std::chrono::steady_clock::duration);

}  // namespace banger
