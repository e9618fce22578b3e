#include "pipelines/io/notifier.hpp"

#include <boost/asio/this_coro.hpp>

namespace banger {

namespace asio = boost::asio;

Task<bool> wait_through_cancel(Notifier& changed, std::function<bool()> ready,
                               std::function<void()> on_cancel) {
    const bool throws = co_await asio::this_coro::throw_if_cancelled();
    co_await asio::this_coro::throw_if_cancelled(false);
    bool cancelled = false;
    while (!ready()) {
        co_await changed.wait();
        const auto state = co_await asio::this_coro::cancellation_state;
        if (cancelled || state.cancelled() == asio::cancellation_type::none) continue;
        cancelled = true;
        if (on_cancel) on_cancel();
    }
    co_await asio::this_coro::throw_if_cancelled(throws);
    co_return cancelled;
}

}  // namespace banger
