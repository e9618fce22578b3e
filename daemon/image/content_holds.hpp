#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "pipelines/io/notifier.hpp"
#include "pipelines/io/task.hpp"

namespace banger::image {

/// Which image directories somebody counts on who has no record of them yet: a pull holds the one
/// that it found or makes, from the look at it until the record is written, so that a delete that
/// ends meanwhile does not take it away. On the loop's thread only; outlives its holds.
class ContentHolds {
  public:
    explicit ContentHolds(boost::asio::any_io_executor executor) : changed_(std::move(executor)) {}

    /// One id at a time, until the object goes.
    class Hold {
      public:
        explicit Hold(ContentHolds& owner) : owner_(owner) {}
        ~Hold() { release(); }
        Hold(const Hold&) = delete;
        Hold& operator=(const Hold&) = delete;

        /// Gives up what was held before; waits while `id` is being dropped. `digest` is the whole
        /// of what the id is the beginning of: throws Error{conflict} when the id is held for
        /// another one.
        Task<void> take(std::string id, std::string digest);

      private:
        void release();
        ContentHolds& owner_;
        std::string id_;  ///< empty: none
    };

    /// Runs `drop`, whose end take() waits for, unless the id is held: then it is put off.
    Task<void> unless_held(std::string id, std::function<Task<void>()> drop);
    /// The ids that were put off and are held no longer, each once.
    std::vector<std::string> take_put_off();

  private:
    struct Held {
        std::string digest;
        int count = 0;
    };
    class Dropping;

    std::map<std::string, Held> held_;  ///< by id
    std::set<std::string> dropping_;
    std::set<std::string> put_off_;
    Notifier changed_;
};

/// Throws Error{conflict}: an id is the beginning of a digest, and these two begin alike.
[[noreturn]] void fail_same_id(const std::string& id, const std::string& there,
                               const std::string& wanted);

}  // namespace banger::image
