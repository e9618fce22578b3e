#include "pipelines/io/task_group.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <exception>
#include <list>
#include <utility>

#include "pipelines/io/notifier.hpp"
#include "pipelines/io/wait.hpp"

namespace banger {

namespace asio = boost::asio;

struct TaskGroup::State {
    using Children = std::list<asio::cancellation_signal>;

    explicit State(asio::any_io_executor ex) : executor(std::move(ex)), changed(executor) {}

    void cancel() {
        cancelled = true;
        for (auto& child : children)
            child.emit(asio::cancellation_type::terminal);
    }

    void finished(Children::iterator child, const std::exception_ptr& failure) {
        children.erase(child);
        if (failure) keep(failure);
        if (children.empty()) changed.notify();
    }

    void keep(const std::exception_ptr& failure) {
        const bool echo = is_cancellation(failure);
        // A child that ends by the cancellation we asked for has done as told.
        if (echo && cancelled) return;
        if (!error || (!echo && is_cancellation(error))) error = failure;
        if (!cancelled) cancel();
    }

    asio::any_io_executor executor;
    Notifier changed;
    Children children;
    std::exception_ptr error;
    bool cancelled = false;
};

TaskGroup::TaskGroup(boost::asio::any_io_executor executor)
    : state_(std::make_unique<State>(std::move(executor))) {}

TaskGroup::~TaskGroup() {
    if (!state_->children.empty()) std::terminate();
}

void TaskGroup::spawn(Task<void> child) {
    auto* state = state_.get();
    auto place = state->children.emplace(state->children.end());
    auto done = [state, place](const std::exception_ptr& failure) {
        // Posted, because a child may end inside its own signal's emit(), which must outlive that.
        asio::post(state->executor, [state, place, failure] { state->finished(place, failure); });
    };
    asio::co_spawn(state->executor, std::move(child),
                   asio::bind_cancellation_slot(place->slot(), std::move(done)));
    if (state->cancelled) place->emit(asio::cancellation_type::terminal);
}

void TaskGroup::cancel() {
    state_->cancel();
}

Task<void> TaskGroup::join() {
    auto* state = state_.get();
    const bool cancelled = co_await wait_through_cancel(
        state->changed, [state] { return state->children.empty(); }, [state] { state->cancel(); });
    if (state->error) std::rethrow_exception(std::exchange(state->error, nullptr));
    if (cancelled) throw_cancelled();
}

}  // namespace banger
