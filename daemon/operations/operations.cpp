#include "daemon/operations/operations.hpp"

#include <fmt/ranges.h>
#include <spdlog/spdlog.h>
#include <sys/random.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <deque>
#include <exception>
#include <map>
#include <utility>

#include "daemon/operations/failure.hpp"
#include "daemon/operations/progress_log.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/notifier.hpp"
#include "pipelines/io/task_group.hpp"
#include "pipelines/io/time.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::operations {

struct Operations::Operation {
    Operation(const boost::asio::any_io_executor& executor, api::OperationInfo about)
        : info(std::move(about)), changed(executor) {}

    bool ended() const { return info.finished_at.has_value(); }

    api::OperationInfo info;
    std::string idempotency_key;
    ProgressLog progress;
    Notifier changed;  ///< new progress, a cancel, or the end
    bool cancel_requested = false;
};

namespace {

std::string make_id() {
    unsigned char bytes[6];
    if (::getrandom(bytes, sizeof bytes, 0) != sizeof bytes) {
        fail_errno(errno, "cannot get random bytes");
    }
    return fmt::format("op-{:02x}", fmt::join(bytes, ""));
}

}  // namespace

struct Operations::State {
    struct Outcome {
        bool settled = false;
        std::exception_ptr failure;
    };
    using Shared = std::shared_ptr<Operation>;

    explicit State(const boost::asio::any_io_executor& ex) : executor(ex), group(ex) {}

    Shared get(const std::string& id) const {
        const auto found = by_id.find(id);
        if (found == by_id.end()) fail(Errc::not_found, "no operation {}", id);
        return found->second;
    }

    Shared find_repeated(const std::string& key, const std::string& kind,
                         const std::string& target) const {
        if (key.empty()) return nullptr;
        const auto found = by_key.find(key);
        if (found == by_key.end()) return nullptr;
        const auto& info = found->second->info;
        if (info.kind != kind || info.target != target) {
            fail(Errc::conflict, "the idempotency key '{}' belongs to {} ({} of '{}')", key,
                 info.id, info.kind, info.target);
        }
        return found->second;
    }

    Shared add(std::string kind, std::string target, std::string key) {
        auto operation =
            std::make_shared<Operation>(executor, api::OperationInfo{.id = make_id(),
                                                                     .kind = std::move(kind),
                                                                     .target = std::move(target),
                                                                     .state = "running",
                                                                     .created_at = now_rfc3339(),
                                                                     .finished_at = {},
                                                                     .error = {},
                                                                     .result = nullptr});
        operation->idempotency_key = std::move(key);
        by_id[operation->info.id] = operation;
        if (!operation->idempotency_key.empty()) by_key[operation->idempotency_key] = operation;
        order.push_back(operation);
        ++running;
        return operation;
    }

    void end(Operation& operation, const std::exception_ptr& failure) {
        auto& info = operation.info;
        info.finished_at = now_rfc3339();
        info.state = "succeeded";
        if (failure) {
            info.state = is_cancellation(failure) ? "cancelled" : "failed";
            info.error = describe_failure(failure);
            info.error->op_id = info.id;
        }
        spdlog::info("{} {} '{}' {}{}", info.id, info.kind, info.target, info.state,
                     info.error ? ": " + info.error->message : "");
        --running;
        operation.changed.notify();
        forget_oldest();
    }

    void forget_oldest() {
        auto excess = order.size() - running;
        for (auto place = order.begin(); excess > kMaxFinished && place != order.end();) {
            if (!(*place)->ended()) {
                ++place;
                continue;
            }
            by_id.erase((*place)->info.id);
            by_key.erase((*place)->idempotency_key);
            place = order.erase(place);
            --excess;
        }
    }

    boost::asio::any_io_executor executor;
    TaskGroup group;
    std::deque<Shared> order;
    std::map<std::string, Shared> by_id;
    std::map<std::string, Shared> by_key;
    std::size_t running = 0;
    bool closed = false;

    static Task<void> settle(Shared operation, Work work, Outcome& outcome);
    static Task<void> cancel_requested(Shared operation);
    static Task<void> run(State& state, Shared operation, Work work);
};

// Never throws: what the work threw is the operation's, not the group's.
Task<void> Operations::State::settle(Shared operation, Work work, Outcome& outcome) {
    auto sink = [operation](const Progress& progress) {
        operation->progress.add(progress, ProgressLog::Clock::now());
        operation->changed.notify();
    };
    try {
        operation->info.result = co_await work(std::move(sink));
    } catch (...) {
        outcome.failure = std::current_exception();
    }
    outcome.settled = true;
}

Task<void> Operations::State::cancel_requested(Shared operation) {
    while (!operation->cancel_requested)
        co_await operation->changed.wait();
}

Task<void> Operations::State::run(State& state, Shared operation, Work work) {
    Outcome outcome;
    try {
        co_await race(settle(operation, std::move(work), outcome), cancel_requested(operation));
    } catch (...) {
        // The whole group is cancelled. Work that was begun has settled all the same: race() joins.
        if (!outcome.settled) outcome.failure = std::current_exception();
    }
    state.end(*operation, outcome.failure);
}

Operations::Operations(boost::asio::any_io_executor executor)
    : state_(std::make_unique<State>(executor)) {}

Operations::~Operations() = default;

api::OperationInfo Operations::start(std::string kind, std::string target,
                                     std::string idempotency_key, Work work) {
    if (const auto repeated = state_->find_repeated(idempotency_key, kind, target)) {
        return repeated->info;
    }
    if (state_->closed) fail(Errc::unavailable, "bangerd is stopping");
    if (state_->running >= kMaxRunning) {
        fail(Errc::unavailable, "{} operations are running, more are not begun; try again later",
             state_->running);
    }
    auto operation = state_->add(std::move(kind), std::move(target), std::move(idempotency_key));
    const auto& info = operation->info;
    spdlog::info("{} {} '{}' started", info.id, info.kind, info.target);
    state_->group.spawn(State::run(*state_, operation, std::move(work)));
    return info;
}

std::optional<api::OperationInfo> Operations::find(const std::string& id) const {
    const auto found = state_->by_id.find(id);
    if (found == state_->by_id.end()) return std::nullopt;
    return found->second->info;
}

std::vector<api::OperationInfo> Operations::list() const {
    std::vector<api::OperationInfo> infos;
    for (const auto& operation : state_->order)
        infos.push_back(operation->info);
    return infos;
}

std::size_t Operations::running() const noexcept {
    return state_->running;
}

void Operations::cancel(const std::string& id) {
    const auto operation = state_->get(id);
    operation->cancel_requested = true;
    operation->changed.notify();
}

Task<std::vector<api::ProgressEvent>> Operations::events_after(std::string id, std::uint64_t seq) {
    const auto operation = state_->get(id);
    while (!operation->progress.has_after(seq) && !operation->ended()) {
        co_await operation->changed.wait();
    }
    co_return operation->progress.after(seq);
}

Task<api::OperationInfo> Operations::wait(std::string id) {
    const auto operation = state_->get(id);
    while (!operation->ended())
        co_await operation->changed.wait();
    co_return operation->info;
}

Task<void> Operations::close() {
    state_->closed = true;
    for (const auto& operation : state_->order) {
        operation->cancel_requested = true;
        operation->changed.notify();
    }
    co_await state_->group.join();
}

}  // namespace banger::operations
