#pragma once

#include <optional>
#include <type_traits>
#include <utility>

#include "pipelines/io/task.hpp"
#include "pipelines/io/wait.hpp"

namespace banger {

namespace detail {
Task<void> run_shielded(Task<void> task);
}

/// Runs `task` to its end even when the caller is cancelled meanwhile: for the few steps that must
/// not be left half done. The cancellation is not lost: the caller's next await throws it. A caller
/// that is cancelled already before this is awaited gets it thrown here, and `task` does not begin.
template <class T>
Task<T> shielded(Task<T> task) {
    std::optional<ValueOf<T>> result;
    co_await detail::run_shielded(detail::store(std::move(task), result));
    if constexpr (!std::is_void_v<T>) co_return std::move(*result);
}

}  // namespace banger
