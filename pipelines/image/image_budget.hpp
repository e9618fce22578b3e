#pragma once

#include <atomic>
#include <cstdint>

namespace banger::image {

/// What all layers of one image may take together; shared by their threads.
class ImageBudget {
  public:
    static constexpr std::uint64_t kMaxEntries = 5'000'000;
    static constexpr std::uint64_t kMaxBytes = 64ull << 30;
    /// Of all that comes out of the decoders: headers, padding and what no entry has any use for.
    static constexpr std::uint64_t kMaxStream = 2 * kMaxBytes;
    static constexpr std::uint64_t kMaxMetadata = 1ull << 30;  ///< what is held in memory
    /// What an entry's link, xattrs and extents may take in memory without being counted as more.
    static constexpr std::uint64_t kEntryShare = 200;
    static constexpr std::uint64_t kMaxBeyondShares = 32ull << 20;

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
    void take_stream(std::uint64_t bytes);
    /// What an entry keeps in memory until the image is written: its path, and all the rest.
    void take_metadata(std::uint64_t path_bytes, std::uint64_t rest_bytes);

  private:
    ImageBudget* whole_ = nullptr;
    std::atomic<std::uint64_t> entries_{0};
    std::atomic<std::uint64_t> bytes_{0};
    std::atomic<std::uint64_t> stream_{0};
    std::atomic<std::uint64_t> metadata_{0};
    std::atomic<std::uint64_t> beyond_shares_{0};
};

}  // namespace banger::image
