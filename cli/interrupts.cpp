#include "cli/interrupts.hpp"

#include <unistd.h>

#include <boost/asio/use_awaitable.hpp>
#include <csignal>

namespace banger::cli {

Interrupts::Interrupts(boost::asio::any_io_executor executor)
    : signals_(std::move(executor), SIGINT, SIGTERM, SIGQUIT) {
    signals_.add(SIGHUP);
}

Task<int> Interrupts::next() {
    last_ = co_await signals_.async_wait(boost::asio::use_awaitable);
    co_return last_;
}

void leave_at_once(int signal) {
    // No destructors: a worker thread may be stuck in a write that nobody reads.
    ::_exit(128 + signal);
}

}  // namespace banger::cli
