#pragma once

#include <cstdint>
#include <vector>

namespace banger::image {

/// Where each layer's data goes, from the image alone: so the same manifest gives the same bytes
/// whatever order the layers arrive in. The image is cut into slabs of 1 MiB (256 blocks); in every
/// round each layer owns a stretch of slabs in proportion to its compressed size. Slabs that hold the
/// primary or a backup superblock with its group descriptors (sparse_super: groups 0, 1 and powers of
/// 3, 5, 7) are never given out.
class SlabPlan {
  public:
    static constexpr std::uint32_t kSlabBlocks = 256;

    /// `weights`: the layers' compressed sizes in bytes, in manifest order.
    explicit SlabPlan(std::vector<std::uint64_t> weights);

    /// First block of the `index`-th slab of `layer`.
    std::uint64_t slab(std::size_t layer, std::uint64_t index) const;

  private:
    std::vector<std::uint64_t> stretches_;  ///< slabs a layer owns in a round
    std::vector<std::uint64_t> offsets_;
    std::uint64_t round_ = 0;
};

}  // namespace banger::image
