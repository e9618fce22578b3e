#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/json/value.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/api/types.hpp"
#include "pipelines/io/progress.hpp"
#include "pipelines/io/task.hpp"

namespace banger::operations {

/// Work that outlives the request that asked for it. Kept in memory: the newest 1,000 finished
/// ones. All of it runs in one task group that close() joins. Used on the loop's thread only.
class Operations {
  public:
    using Work = std::function<Task<boost::json::value>(ProgressSink)>;
    static constexpr std::size_t kMaxFinished = 1000;
    static constexpr std::size_t kMaxRunning = 256;

    explicit Operations(boost::asio::any_io_executor executor);
    ~Operations();

    /// Starts `work` and returns its operation. The same non-empty idempotency key with the same
    /// kind and target gives the operation that is already there; with another kind or target it
    /// throws Error{conflict}. Throws Error{unavailable} when too many run or after close().
    api::OperationInfo start(std::string kind, std::string target, std::string idempotency_key,
                             Work work);
    std::optional<api::OperationInfo> find(const std::string& id) const;
    /// Oldest first.
    std::vector<api::OperationInfo> list() const;
    std::size_t running() const noexcept;
    /// Requests cancellation; Error{not_found}; a finished one is left as it is.
    void cancel(const std::string& id);
    /// Events after `seq` (at once or when they come); empty when the operation has ended and all
    /// are known. Progress of one stage and item is coalesced: a slow reader sees the newest.
    Task<std::vector<api::ProgressEvent>> events_after(std::string id, std::uint64_t seq);
    /// Waits for the end. Cancelling the wait leaves the operation running.
    Task<api::OperationInfo> wait(std::string id);
    /// Cancels all and joins them.
    Task<void> close();

  private:
    struct Operation;
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace banger::operations
