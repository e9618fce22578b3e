#include "pipelines/image/ext4/block_map.hpp"

#include <random>

#include "pipelines/io/error.hpp"
#include "test/support/catch.hpp"

using namespace banger;
using image::BlockMap;
using image::BlockRun;

TEST_CASE("blocks are taken from the lowest address up, around what is in use") {
    BlockMap map(1000);
    REQUIRE(map.mark({0, 10}));
    REQUIRE(map.mark({15, 85}));
    std::vector<BlockRun> runs = map.take(8);
    REQUIRE(runs.size() == 2);
    CHECK(runs[0].start == 10);
    CHECK(runs[0].count == 5);
    CHECK(runs[1].start == 100);
    CHECK(runs[1].count == 3);
    CHECK(map.used() == 103);
    CHECK(map.take_run(500) == 103);
    CHECK(map.take(1)[0].start == 603);
}

TEST_CASE("a block is marked once") {
    BlockMap map(200);
    CHECK(map.mark({50, 100}));
    CHECK_FALSE(map.mark({149, 1}));
    CHECK_FALSE(map.mark({0, 51}));
    CHECK_FALSE(map.mark({190, 11}));
    CHECK_FALSE(map.mark({~0ULL, 2}));
    CHECK(map.mark({150, 50}));
    CHECK(map.used() == 150);
}

TEST_CASE("a full map says no space") {
    BlockMap map(100);
    (void)map.take(100);
    CHECK_THROWS_AS(map.take(1), Error);
    CHECK_THROWS_AS(map.take_run(1), Error);
}

TEST_CASE("counts and free runs agree with a plain vector of bits") {
    std::mt19937 random(7);
    const std::uint64_t size = 5003;
    BlockMap map(size);
    std::vector<bool> plain(size);
    for (int round = 0; round < 300; ++round) {
        BlockRun run{random() % size, random() % 40};
        bool is_free = run.start + run.count <= size;
        for (std::uint64_t b = run.start; is_free && b < run.start + run.count; ++b)
            is_free = !plain[b];
        CHECK(map.mark(run) == is_free);
        for (std::uint64_t b = run.start; is_free && b < run.start + run.count; ++b)
            plain[b] = true;
    }
    std::vector<bool> seen(size, true);
    map.for_each_free([&](BlockRun run) {
        for (std::uint64_t b = run.start; b < run.start + run.count; ++b)
            seen[b] = false;
    });
    CHECK(seen == plain);
    auto used =
        static_cast<std::uint64_t>(std::count(plain.begin() + 100, plain.begin() + 4100, true));
    CHECK(map.used_in({100, 4000}) == used);
}
