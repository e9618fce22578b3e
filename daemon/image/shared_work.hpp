#pragma once

#include <boost/asio/this_coro.hpp>
#include <exception>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "pipelines/io/notifier.hpp"
#include "pipelines/io/progress.hpp"
#include "pipelines/io/shield.hpp"
#include "pipelines/io/task.hpp"
#include "pipelines/io/task_group.hpp"
#include "pipelines/io/wait.hpp"

namespace banger {

/// Runs the same work once for all who ask for it at the same time; everyone sees its progress and
/// gets its result, and who joins late is told at once how far it is. When the last one who waits
/// is cancelled, the work is cancelled and joined before that cancellation is passed on, so nothing
/// of it lives longer than those who wanted it.
template <class Result>
class SharedWork {
  public:
    using Work = std::function<Task<Result>(ProgressSink)>;

    explicit SharedWork(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}

    Task<Result> join(std::string key, Work work, ProgressSink progress) {
        // From the first await on, a cancellation is looked at, not thrown: leaving takes a few
        // steps.
        namespace this_coro = boost::asio::this_coro;
        const bool throws = co_await this_coro::throw_if_cancelled();
        co_await this_coro::throw_if_cancelled(false);
        auto flight = co_await board(key);
        if (flight->latest && progress) progress(*flight->latest);
        auto sink = flight->sinks.insert(flight->sinks.end(), std::move(progress));
        start(*flight, std::move(work));
        while (!flight->done && !co_await cancelled())
            co_await flight->changed.wait();
        flight->sinks.erase(sink);
        if (flight->sinks.empty()) co_await land(key, flight);
        co_await this_coro::throw_if_cancelled(throws);
        // Work that was past the point of no return when the last one left has a result all the
        // same.
        if (!flight->done) throw_cancelled();
        if (flight->error) std::rethrow_exception(flight->error);
        co_return *flight->result;
    }

  private:
    struct Flight {
        explicit Flight(const boost::asio::any_io_executor& executor)
            : group(executor), changed(executor) {}
        TaskGroup group;
        Notifier changed;
        std::list<ProgressSink> sinks;
        std::optional<Progress> latest;
        std::optional<Result> result;
        std::exception_ptr error;
        bool started = false;
        bool done = false;
        bool landing = false;
    };

    static Task<bool> cancelled() {
        const auto state = co_await boost::asio::this_coro::cancellation_state;
        co_return state.cancelled() != boost::asio::cancellation_type::none;
    }

    // The flight under way for `key`, or a new one. One that is being given up is waited for.
    Task<std::shared_ptr<Flight>> board(std::string key) {
        for (auto found = flights_.find(key); found != flights_.end(); found = flights_.find(key)) {
            auto flight = found->second;
            if (!flight->landing) co_return flight;
            co_await flight->changed.wait();
        }
        auto flight = std::make_shared<Flight>(executor_);
        flights_.emplace(key, flight);
        co_return flight;
    }

    static void start(Flight& flight, Work work) {
        if (std::exchange(flight.started, true)) return;
        flight.group.spawn(fly(flight, std::move(work)));
    }

    static Task<void> fly(Flight& flight, Work work) {
        auto to_all = [&flight](const Progress& progress) {
            flight.latest = progress;
            for (const auto& sink : flight.sinks) {
                if (sink) sink(progress);
            }
        };
        try {
            flight.result = co_await work(to_all);
        } catch (const std::exception&) {
            flight.error = std::current_exception();
        }
        flight.done = true;
        flight.changed.notify();
    }

    // The last to leave joins the work, even when cancelled itself.
    Task<void> land(std::string key, std::shared_ptr<Flight> flight) {
        flight->landing = true;
        flight->group.cancel();
        co_await shielded(flight->group.join());
        flights_.erase(key);
        flight->changed.notify();
    }

    boost::asio::any_io_executor executor_;
    std::map<std::string, std::shared_ptr<Flight>> flights_;
};

}  // namespace banger
