#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "pipelines/image/ext4/staging_tree.hpp"

namespace banger::image {

/// Where the contents of a tar's regular files go: blocks of an image, or a test's memory.
class ContentSink {
  public:
    virtual ~ContentSink() = default;
    virtual void begin_file() = 0;
    virtual void append(std::span<const std::byte> bytes) = 0;
    /// A hole of a sparse file.
    virtual void skip(std::uint64_t bytes) = 0;
    virtual std::vector<Extent> end_file() = 0;
};

/// What all layers of one image may take together; shared by their threads.
class ImageBudget {
  public:
    static constexpr std::uint64_t kMaxEntries = 5'000'000;
    static constexpr std::uint64_t kMaxBytes = 64ull << 30;
    static constexpr std::uint64_t kMaxMetadata = 1ull << 30;  ///< what is held in memory

    ImageBudget() = default;
    /// A share of `whole`: takes from it, and gives it all back at its end unless it is kept.
    explicit ImageBudget(ImageBudget* whole) : whole_(whole) {}
    ~ImageBudget();
    ImageBudget(const ImageBudget&) = delete;
    ImageBudget& operator=(const ImageBudget&) = delete;
    void keep() { whole_ = nullptr; }

    /// All throw Error{unsupported} beyond the limit.
    void take_entry();
    void take_bytes(std::uint64_t bytes);
    void take_metadata(std::uint64_t bytes);

  private:
    ImageBudget* whole_ = nullptr;
    std::atomic<std::uint64_t> entries_{0};
    std::atomic<std::uint64_t> bytes_{0};
    std::atomic<std::uint64_t> metadata_{0};
};

/// The next piece of an uncompressed tar, valid until the next call; empty at the end. May throw.
using TarPieces = std::function<std::span<const std::byte>()>;

struct TarContents {
    std::vector<LayerEntry> entries;  ///< in the tar's order
    WarningList warnings;
};

/// Cuts a tar (v7, ustar, GNU, pax, with sparse files, xattrs and POSIX ACLs) into entries through
/// libarchive, and reads `pieces` to their end, beyond the tar's own end, so that whoever hashes
/// them has seen every byte. Names are bytes: no locale has a say. Blocks, and uses the calling
/// thread only. Throws Error{invalid_argument} naming the entry for what is damaged or out of
/// bounds, and whatever `pieces` or `sink` throw.
TarContents read_tar(const TarPieces& pieces, ContentSink& sink, ImageBudget& budget);

}  // namespace banger::image
