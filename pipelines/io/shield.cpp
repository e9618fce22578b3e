#include "pipelines/io/shield.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <exception>

#include "pipelines/io/notifier.hpp"

namespace banger::detail {

namespace asio = boost::asio;

Task<void> run_shielded(Task<void> task) {
    const auto executor = co_await asio::this_coro::executor;
    Notifier changed(executor);
    bool done = false;
    std::exception_ptr error;
    // Without a cancellation slot of the caller's: nothing reaches it.
    asio::co_spawn(executor, std::move(task), [&](std::exception_ptr failure) {
        error = std::move(failure);
        done = true;
        changed.notify();
    });
    const bool throws = co_await asio::this_coro::throw_if_cancelled();
    co_await asio::this_coro::throw_if_cancelled(false);
    while (!done)
        co_await changed.wait();
    co_await asio::this_coro::throw_if_cancelled(throws);
    if (error) std::rethrow_exception(error);
}

}  // namespace banger::detail
