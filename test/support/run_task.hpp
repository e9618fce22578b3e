#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <optional>
#include <stdexcept>
#include <utility>

#include "pipelines/io/wait.hpp"

namespace banger::test {

/// Runs one task on an io_context of its own and returns its value or throws its exception. A task
/// that hangs, or that leaves something running behind it, is an error too.
///
///     CHECK(run_task(answer()) == 42);
template <class T>
T run_task(Task<T> task, std::chrono::seconds limit = std::chrono::seconds(60)) {
    std::optional<ValueOf<T>> result;
    std::exception_ptr error;
    bool finished = false;
    boost::asio::io_context context{1};
    boost::asio::co_spawn(context, banger::detail::store(std::move(task), result),
                          [&](std::exception_ptr failure) {
                              finished = true;
                              error = std::move(failure);
                          });
    context.run_for(limit);
    if (error) std::rethrow_exception(error);
    if (!finished) throw std::runtime_error("run_task: the task did not finish in time");
    if (!context.stopped()) throw std::runtime_error("run_task: the task left work behind");
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

}  // namespace banger::test
