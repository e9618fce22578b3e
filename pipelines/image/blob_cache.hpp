#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "pipelines/image/registry/manifest.hpp"
#include "pipelines/io/digest.hpp"
#include "pipelines/io/unique_fd.hpp"

namespace banger::image {

struct CachedBlob {
    Digest digest;
    std::uint64_t size = 0;
    std::chrono::system_clock::time_point used_at;
};

/// Blobs on this machine, at <cache_dir>/oci/blobs/<algorithm>/<hex>. Nothing in it is trusted:
/// every reader hashes what it reads, and removes what is damaged. That is why nothing here is
/// synced: after a power cut a blob may be short or empty, and is then fetched anew.
class BlobCache {
  public:
    /// `disk_reserve`: what of its disk stays free, as SpaceGuard has it.
    explicit BlobCache(const std::string& cache_dir, std::uint64_t disk_reserve = 0)
        : blobs_(cache_dir + "/oci/blobs/"), disk_reserve_(disk_reserve) {}

    /// The blob, open for reading, when it is there with the right size; one of another size is
    /// removed. Marks it as used now, for eviction by age.
    UniqueFd find(const Descriptor& descriptor) const;
    void remove(const Digest& digest) const noexcept;
    /// All of them, the least recently used first; not those that are being written. Blocks.
    std::vector<CachedBlob> list_blocking() const;

    /// What downloads that a crash or a stop cut off have left, the least recently written first;
    /// not those that are being written. Blocks.
    std::vector<CachedBlob> list_partials_blocking() const;
    /// False when a download has taken it up again.
    bool remove_partial_blocking(const Digest& digest) const;

    /// A blob being written under a temporary name, removed unless it is kept. The name is
    /// "<hex>.partial", and what a writer that was cut off has left there is gone on with, in whole
    /// chunks; it is as little to be trusted as all the rest. A second writer of the same blob at
    /// the same time gets "<hex>.tmp-<random>".
    class Writer {
      public:
        Writer(Writer&&) = delete;
        ~Writer();
        /// Bytes of the blob that are there already: the first ones, which need no download.
        std::uint64_t resumed() const { return resumed_; }
        /// Of those, from `at` on; what fits into the buffer, 0 at their end.
        std::size_t read_resumed(std::uint64_t at, std::span<std::byte> buffer) const;
        /// Takes the whole blob from its start; passes over what is there already.
        void write(std::span<const std::byte> bytes);
        /// Gives it its name. Only for a blob whose digest has been checked.
        void keep();
        /// Gives its space back now, not at the end of the layer.
        void discard() noexcept;
        /// Stays as it is, for a later writer to go on with. Not one of a random name.
        void leave() noexcept;

      private:
        friend class BlobCache;
        Writer(std::string path, UniqueFd fd, std::string temporary);
        std::string path_;
        std::string temporary_;
        UniqueFd fd_;
        std::uint64_t resumed_ = 0;
        std::uint64_t passed_over_ = 0;
        bool is_partial_ = false;
    };
    /// Makes the directories it needs. With `resume` false it begins at the start. Throws Error
    /// naming the path, Error{no_space} when the disk cannot take `size` bytes.
    std::unique_ptr<Writer> begin(const Digest& digest, std::uint64_t size = 0,
                                  bool resume = true) const;

  private:
    std::unique_ptr<Writer> take_partial(const Digest& digest, std::uint64_t size,
                                         bool resume) const;
    std::string path_of(const Digest& digest) const;
    std::string blobs_;
    std::uint64_t disk_reserve_;
};

}  // namespace banger::image
