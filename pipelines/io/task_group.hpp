#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>

#include "pipelines/io/task.hpp"

namespace banger {

/// Children whose number is not known beforehand, joined where they were made.
///
/// The first child that throws cancels its siblings; join() waits for all of them and rethrows that
/// exception (a real error wins over operation_aborted). cancel() asks every child to stop
/// (terminal cancellation); join() must still be awaited. When the coroutine awaiting join() is
/// itself cancelled, the children are cancelled and joined before the cancellation is passed on. A
/// group destroyed with live children terminates the program.
class TaskGroup {
  public:
    explicit TaskGroup(boost::asio::any_io_executor executor);
    ~TaskGroup();
    TaskGroup(const TaskGroup&) = delete;
    TaskGroup& operator=(const TaskGroup&) = delete;

    void spawn(Task<void> child);
    void cancel();
    Task<void> join();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace banger
