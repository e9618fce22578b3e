#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pipelines/image/pull.hpp"
#include "pipelines/io/error.hpp"
#include "test/support/ext4_reader.hpp"
#include "test/support/temp_dir.hpp"

namespace banger::test {

struct PullSetup {
    bool uring = true;  ///< where the kernel has it
    std::uint64_t size = 0;
    int parallel_layers = 4;
    image::RegistrySettings registries;
    image::Credential credential;
    /// Cancels the pull after this long.
    std::optional<std::chrono::milliseconds> cancel_after;
    /// When the test gives up on it.
    std::chrono::seconds limit{60};
};

/// Pulls the way the daemon does: one loop, a pool, a ring, a cache that stays from pull to pull.
class PullFixture {
  public:
    PullFixture() = default;
    /// Works in `parent` instead of a directory of its own.
    explicit PullFixture(const std::filesystem::path& parent) : base_(parent) {}

    /// The image, in staging(). Throws what the pull throws.
    image::PulledImage pull(const std::string& source, const PullSetup& setup = {});
    /// What the pull fails with; throws when it does not.
    Error failure(const std::string& source, const PullSetup& setup = {});
    Digest resolve(const std::string& source);

    std::string staging() const { return (base_ / "staging").string(); }
    std::string rootfs() const { return staging() + "/rootfs.ext4"; }
    std::string cache() const { return (base_ / "cache").string(); }
    std::string cached_blob(const std::string& digest) const;
    /// Reads the image back after e2fsck found nothing wrong with it.
    ReadFilesystem read();
    /// Equal for images of equal bytes. Faster than a hash of all of it: what is zero is passed
    /// over.
    std::string fingerprint() const;
    void remove_staging();
    /// Files in the staging directory, temporary and half downloaded ones in the cache: nobody
    /// stops a daemon here, which is what may leave those.
    std::vector<std::string> leftovers() const;

    std::vector<Progress> progress;

  private:
    TempDir dir_;
    std::filesystem::path base_ = dir_.path();
};

/// Threads and open descriptors of this process.
std::size_t count_threads();
/// Whether there are as many threads again: the kernel's workers of a closed ring take a moment to
/// go.
bool threads_settle_at(std::size_t count);
std::size_t count_descriptors();

}  // namespace banger::test
