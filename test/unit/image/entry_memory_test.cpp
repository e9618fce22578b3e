#include <malloc.h>

#include "pipelines/image/image_budget.hpp"
#include "pipelines/image/tar_stream.hpp"
#include "pipelines/io/error.hpp"
#include "test/support/catch.hpp"
#include "test/support/counts_memory.hpp"
#include "test/support/tar_builder.hpp"

using namespace banger;
using namespace banger::image;
using banger::test::TarBuilder;

namespace {

/// One extent for each file, as most have.
struct OneExtent : ContentSink {
    void begin_file() override {}
    void append(std::span<const std::byte>) override {}
    void skip(std::uint64_t) override {}
    std::vector<Extent> end_file() override { return {{0, 1, 1}}; }
};

std::size_t allocated() {
    const auto info = ::mallinfo2();
    return info.uordblks + info.hblkhd;
}

/// A tar of `count` files of one byte, made as it is read.
class ManyFiles {
  public:
    explicit ManyFiles(std::size_t count) : count_(count) {}
    std::span<const std::byte> next() {
        if (at_ == count_) return {};
        piece_ = TarBuilder().file("d/" + std::to_string(10'000'000 + at_++), "x").unfinished();
        return std::as_bytes(std::span(piece_));
    }

    std::size_t given() const { return at_; }

  private:
    std::size_t count_;
    std::size_t at_ = 0;
    std::string piece_;
};

}  // namespace

TEST_CASE("what an entry costs in memory is bounded, of a layer and of the tree") {
    if (!test::kCountsMemory) {
        WARN("skipped: a sanitizer's memory is not the program's");
        return;
    }
    constexpr std::size_t kCount = 200'000;
    ManyFiles files(kCount);
    OneExtent sink;
    ImageBudget budget;
    const auto before = allocated();
    auto contents = read_tar([&] { return files.next(); }, sink, budget);
    const auto of_layer = (allocated() - before) / kCount;
    StagingTree tree;
    tree.apply(std::move(contents.entries));
    contents = {};
    const auto of_tree = (allocated() - before) / kCount;
    CHECK(of_layer <= 200);
    CHECK(of_tree <= 304);
}

TEST_CASE("an image of more entries than the limit is refused at the first one too many") {
    ManyFiles files(100);
    OneExtent sink;
    ImageBudget budget;
    for (std::uint64_t i = 10; i < ImageBudget::kMaxEntries; ++i)
        budget.take_entry();
    CHECK_THROWS_WITH(read_tar([&] { return files.next(); }, sink, budget),
                      "the image has more than the limit of 5000000 files");
    CHECK(files.given() == 11);
}
