#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "pipelines/io/digest.hpp"

namespace banger::image {

/// Which blobs of the cache the pulls under way count on: those stay, whatever their age. One for
/// all pulls of a daemon; outlives their holds. Any thread may ask.
class BlobsInUse {
  public:
    /// While it lives, the blobs are in use.
    class Hold {
      public:
        Hold() = default;
        Hold(Hold&& other) noexcept
            : owner_(std::exchange(other.owner_, nullptr)), names_(std::move(other.names_)) {}
        Hold& operator=(Hold&&) = delete;
        ~Hold();

      private:
        friend class BlobsInUse;
        Hold(BlobsInUse& owner, std::vector<std::string> names)
            : owner_(&owner), names_(std::move(names)) {}
        BlobsInUse* owner_ = nullptr;
        std::vector<std::string> names_;
    };

    Hold hold(const std::vector<Digest>& digests);
    /// Calls `act` unless the blob is in use, and nobody can begin to use it meanwhile. Says
    /// whether it did.
    bool unless_used(const Digest& digest, const std::function<void()>& act);

  private:
    void release(const std::vector<std::string>& names);

    std::mutex mutex_;
    std::map<std::string, std::size_t> holds_;  ///< by digest
};

}  // namespace banger::image
