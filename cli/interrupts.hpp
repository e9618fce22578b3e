#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/signal_set.hpp>

#include <string>

#include "pipelines/io/error.hpp"
#include "pipelines/io/task.hpp"

namespace banger::cli {

/// The user ended it; the exit status is 128 + the signal's number.
class Interrupted : public Error {
  public:
    Interrupted(int signal, const std::string& message)
        : Error(Errc::cancelled, message), signal_(signal) {}
    int exit_status() const noexcept { return 128 + signal_; }

  private:
    int signal_;
};

/// SIGINT, SIGTERM, SIGQUIT and SIGHUP as something to wait for. While one exists they do not end
/// the process; what arrives between two waits is kept. Only commands that have something to undo
/// make one.
class Interrupts {
  public:
    explicit Interrupts(boost::asio::any_io_executor executor);
    /// The number of the next signal.
    Task<int> next();
    /// The last signal that next() gave, or 0.
    int last() const noexcept { return last_; }

  private:
    boost::asio::signal_set signals_;
    int last_ = 0;
};

/// Ends the process here and now, as a second Ctrl-C asks for.
[[noreturn]] void leave_at_once(int signal);

}  // namespace banger::cli
