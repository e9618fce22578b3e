#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "pipelines/image/space_guard.hpp"
#include "pipelines/io/decompress.hpp"
#include "pipelines/io/unique_fd.hpp"

namespace banger::image {

/// An archive that arrives in pieces, compressed or not, on its way into a file that can be read
/// anywhere. The file has no name: it is gone when nobody holds it, whatever happened.
class ArchiveSpool {
  public:
    /// 64 GiB, uncompressed.
    static constexpr std::uint64_t kMaxBytes = 64ull << 30;

    /// `directory` says on which file system, `disk_reserve` what of it stays free, as SpaceGuard
    /// has it. Throws Error naming it.
    ArchiveSpool(const std::string& directory, std::uint64_t disk_reserve);
    ~ArchiveSpool();
    ArchiveSpool(const ArchiveSpool&) = delete;
    ArchiveSpool& operator=(const ArchiveSpool&) = delete;

    /// Blocks. Throws Error{no_space} before the disk is full, Error{unsupported} beyond the limit,
    /// Error{invalid_argument} for a damaged stream.
    void write_blocking(std::span<const std::byte> piece);
    /// No more will come. The file, read from its start.
    UniqueFd finish_blocking();

  private:
    void begin();
    void store(std::span<const std::byte> plain);

    SpaceGuard space_;
    UniqueFd file_;
    std::vector<std::byte> head_;  ///< until there is enough to tell the compression by
    std::unique_ptr<Decompressor> decoder_;
    Decompressor::Sink sink_;
    std::uint64_t size_ = 0;
    std::uint64_t checked_at_ = 0;
};

}  // namespace banger::image
