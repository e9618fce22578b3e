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

    /// A blob being written under a temporary name ("<hex>.tmp-<random>"), removed unless kept.
    class Writer {
      public:
        Writer(Writer&&) = delete;
        ~Writer();
        void write(std::span<const std::byte> bytes);
        /// Gives it its name. Only for a blob whose digest has been checked.
        void keep();
        /// Gives its space back now, not at the end of the layer.
        void discard() noexcept;

      private:
        friend class BlobCache;
        Writer(std::string path, UniqueFd fd, std::string temporary);
        std::string path_;
        std::string temporary_;
        UniqueFd fd_;
    };
    /// Makes the directories it needs. Throws Error naming the path, Error{no_space} when the disk
    /// cannot take `size` bytes.
    std::unique_ptr<Writer> begin(const Digest& digest, std::uint64_t size = 0) const;

  private:
    std::string path_of(const Digest& digest) const;
    std::string blobs_;
    std::uint64_t disk_reserve_;
};

}  // namespace banger::image
