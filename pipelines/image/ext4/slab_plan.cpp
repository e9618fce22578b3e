#include "pipelines/image/ext4/slab_plan.hpp"

#include <algorithm>

namespace banger::image {
namespace {

constexpr std::uint64_t kUnitSlabs = 4;
constexpr std::uint64_t kGroupSlabs = 32768 / SlabPlan::kSlabBlocks;
constexpr std::uint64_t kMaxGroups = 1ULL << 27;
constexpr std::uint64_t kWeightFloorKib = 512;
constexpr std::uint64_t kMaxInflation = 8;

/// Slabs with a superblock, ascending.
const std::vector<std::uint64_t>& reserved_slabs() {
    static const std::vector<std::uint64_t> slabs = [] {
        std::vector<std::uint64_t> groups{0, 1};
        for (std::uint64_t base : {3, 5, 7}) {
            for (std::uint64_t group = base; group < kMaxGroups; group *= base)
                groups.push_back(group);
        }
        std::sort(groups.begin(), groups.end());
        for (std::uint64_t& group : groups)
            group *= kGroupSlabs;
        return groups;
    }();
    return slabs;
}

}  // namespace

SlabPlan::SlabPlan(const std::vector<std::uint64_t>& weights) {
    for (std::uint64_t bytes : weights) {
        weights_.push_back(bytes / 1024 + kWeightFloorKib);
        shares_.push_back(weights_.back() * kMaxInflation / (kUnitSlabs * 1024) + 1);
        shared_units_ += shares_.back();
    }
}

std::uint64_t SlabPlan::slab(std::size_t layer, std::uint64_t index) const {
    std::uint64_t slab = unit_rank(layer, index / kUnitSlabs) * kUnitSlabs + index % kUnitSlabs;
    for (std::uint64_t reserved : reserved_slabs()) {
        if (reserved > slab) break;
        ++slab;
    }
    return slab * kSlabBlocks;
}

/// Unit k of layer i comes at the time k / weight_i; its rank is the number of units before it. All
/// layers' first units come first: even an empty layer's slab is near.
std::uint64_t SlabPlan::unit_rank(std::size_t layer, std::uint64_t unit) const {
    if (unit >= shares_[layer]) {
        return shared_units_ + (unit - shares_[layer]) * weights_.size() + layer;
    }
    std::uint64_t rank = 0;
    for (std::size_t other = 0; other < weights_.size(); ++other) {
        std::uint64_t scaled = unit * weights_[other];
        std::uint64_t before = scaled / weights_[layer];
        // A tie goes to the earlier layer.
        if (other < layer || scaled % weights_[layer] != 0) ++before;
        rank += std::min(before, shares_[other]);
    }
    return rank;
}

}  // namespace banger::image
