#pragma once

#include <cstdint>
#include <vector>

namespace banger::image {

/// Where each layer's data goes, from the image alone: so the same manifest gives the same bytes
/// whatever order the layers arrive in. The image is cut into slabs of 1 MiB (256 blocks), handed
/// out in units of 4; the layers' units follow each other as if all layers advanced in proportion
/// to their compressed size, so that little lies between the end of the data and its start. A layer
/// that inflates more than eightfold goes on behind all others' shares. Slabs that hold the primary
/// or a backup superblock with its group descriptors (sparse_super: groups 0, 1 and powers of 3, 5,
/// 7) are never given out.
class SlabPlan {
  public:
    static constexpr std::uint32_t kSlabBlocks = 256;

    /// `weights`: the layers' compressed sizes in bytes, in manifest order.
    explicit SlabPlan(const std::vector<std::uint64_t>& weights);

    /// First block of the `index`-th slab of `layer`.
    std::uint64_t slab(std::size_t layer, std::uint64_t index) const;

  private:
    std::uint64_t unit_rank(std::size_t layer, std::uint64_t unit) const;

    std::vector<std::uint64_t> weights_;  ///< KiB, with a floor
    std::vector<std::uint64_t> shares_;   ///< units of each layer in the proportional part
    std::uint64_t shared_units_ = 0;      ///< their sum
};

}  // namespace banger::image
