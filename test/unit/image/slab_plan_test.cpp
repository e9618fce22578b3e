#include "pipelines/image/ext4/slab_plan.hpp"

#include <algorithm>
#include <set>

#include "test/support/catch.hpp"

using banger::image::SlabPlan;

namespace {

constexpr std::uint64_t kMib = 1 << 20;

bool holds_superblock(std::uint64_t block) {
    if (block % 32768 != 0) return false;
    std::uint64_t group = block / 32768;
    if (group <= 1) return true;
    for (std::uint64_t base : {3, 5, 7}) {
        std::uint64_t power = base;
        while (power < group)
            power *= base;
        if (power == group) return true;
    }
    return false;
}

}  // namespace

TEST_CASE("no slab is given out twice, and none that holds a superblock") {
    SlabPlan plan({300 * kMib, 0, 20 * kMib, 1, 700 * kMib, 20 * kMib});
    std::set<std::uint64_t> given;
    for (std::size_t layer = 0; layer < 6; ++layer) {
        for (std::uint64_t index = 0; index < 12'000; ++index) {
            std::uint64_t block = plan.slab(layer, index);
            REQUIRE(block % SlabPlan::kSlabBlocks == 0);
            REQUIRE_FALSE(holds_superblock(block));
            REQUIRE(given.insert(block).second);
        }
    }
}

TEST_CASE("a layer's slabs ascend") {
    SlabPlan plan({5 * kMib, 90 * kMib});
    for (std::uint64_t index = 1; index < 5000; ++index) {
        CHECK(plan.slab(0, index) > plan.slab(0, index - 1));
    }
}

TEST_CASE("layers that inflate alike leave little room between them") {
    std::vector<std::uint64_t> weights{30 * kMib, 267 * kMib, 234 * kMib, 25 * kMib, kMib, 4096};
    SlabPlan plan(weights);
    std::uint64_t content = 0;
    std::uint64_t end = 0;
    for (std::size_t layer = 0; layer < weights.size(); ++layer) {
        std::uint64_t slabs = weights[layer] * 3 / kMib + 1;
        content += slabs;
        end = std::max(end, plan.slab(layer, slabs - 1) / SlabPlan::kSlabBlocks + 1);
    }
    CHECK(static_cast<double>(end) < 1.1 * static_cast<double>(content));
}

TEST_CASE("one layer inflating a thousandfold does not scatter over the other's share") {
    SlabPlan plan({100 * kMib, 100 * kMib});
    const std::uint64_t slabs = 100 * 1000;
    std::uint64_t end = plan.slab(0, slabs - 1) / SlabPlan::kSlabBlocks;
    CHECK(end < 2 * slabs + 2000);
}

TEST_CASE("even an empty layer's first slab is near") {
    SlabPlan plan({0, 500 * kMib});
    CHECK(plan.slab(0, 0) / SlabPlan::kSlabBlocks < 10);
    SlabPlan alone({0});
    CHECK(alone.slab(0, 0) == SlabPlan::kSlabBlocks);
}
