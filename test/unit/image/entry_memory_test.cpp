#include <fcntl.h>

#include <iostream>

#include "pipelines/image/ext4/ext4_writer.hpp"
#include "pipelines/image/ext4/slab_plan.hpp"
#include "pipelines/image/image_budget.hpp"
#include "pipelines/image/tar_stream.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/unique_fd.hpp"
#include "test/support/catch.hpp"
#include "test/support/counted_new.hpp"
#include "test/support/counts_memory.hpp"
#include "test/support/tar_builder.hpp"
#include "test/support/temp_dir.hpp"

using namespace banger;
using namespace banger::image;
using banger::test::TarBuilder;

namespace {

/// One block for each file that is not empty.
struct OneBlock : ContentSink {
    void begin_file() override { is_empty = true; }
    void append(std::span<const std::byte>) override { is_empty = false; }
    void skip(std::uint64_t) override {}
    std::vector<Extent> end_file() override {
        if (is_empty) return {};
        const auto block = next++;
        return {
            {0, plan.slab(0, block / SlabPlan::kSlabBlocks) + block % SlabPlan::kSlabBlocks, 1}};
    }

    SlabPlan plan{{1}};
    std::uint64_t next = 0;
    bool is_empty = true;
};

/// A tar made as it is read, entry by entry.
class ManyEntries {
  public:
    using Add = void (*)(TarBuilder& tar, std::size_t index);
    ManyEntries(std::size_t count, Add add) : count_(count), add_(add) {}
    std::span<const std::byte> next() {
        if (at_ == count_) return {};
        TarBuilder tar;
        add_(tar, at_++);
        piece_ = tar.unfinished();
        return std::as_bytes(std::span(piece_));
    }

    std::size_t given() const { return at_; }

  private:
    std::size_t count_;
    Add add_;
    std::size_t at_ = 0;
    std::string piece_;
};

std::string number(std::size_t index) {
    return std::to_string(10'000'000 + index);
}

struct Cost {
    std::size_t of_list = 0;  ///< bytes an entry
    std::size_t at_most = 0;  ///< at any moment from the tar to the finished image
};

/// What each of `count` entries costs, its name of `name` bytes left out.
Cost cost_of(std::size_t count, std::size_t name, ManyEntries::Add add) {
    const test::TempDir dir;
    const auto image = dir / "image.ext4";
    open_file(image, O_CREAT | O_EXCL | O_RDWR, 0600);
    ManyEntries entries(count, add);
    OneBlock sink;
    ImageBudget budget;
    const test::AllocationPeak peak;
    auto contents = read_tar([&] { return entries.next(); }, sink, budget);
    Cost cost;
    cost.of_list = peak.now() / count - name;
    StagingTree tree;
    tree.apply(std::move(contents.entries));
    Ext4Options options;
    options.uuid = {1};
    write_ext4_blocking(image, tree, options, {});
    cost.at_most = peak.highest() / count - name;
    return cost;
}

}  // namespace

TEST_CASE("an entry costs at most 200 bytes beyond its name, from the tar to the image") {
    if (!test::kCountsMemory) {
        WARN("skipped: a sanitizer's memory is not the program's");
        return;
    }
    struct Shape {
        const char* what;
        std::size_t name;
        ManyEntries::Add add;
    };
    const Shape shapes[] = {
        {"empty files in one directory", 8,
         [](TarBuilder& tar, std::size_t index) { tar.file("d/" + number(index), ""); }},
        {"files in directories of a hundred", 8,
         [](TarBuilder& tar, std::size_t index) {
             tar.file("d/" + number(index / 100) + "/" + number(index), "x");
         }},
        {"directories", 8,
         [](TarBuilder& tar, std::size_t index) { tar.dir("d/" + number(index)); }},
        {"symlinks, their text counted as part of the name", 16,
         [](TarBuilder& tar, std::size_t index) {
             tar.symlink("d/" + number(index), number(index));
         }},
    };
    for (const auto& shape : shapes) {
        const auto cost = cost_of(20'000, shape.name, shape.add);
        std::cout << "bytes per entry: " << cost.of_list << " as a list, at most " << cost.at_most
                  << " (" << shape.what << ")\n";
        CAPTURE(shape.what);
        CHECK(cost.of_list <= 50);
        CHECK(cost.at_most <= 200);
    }
}

TEST_CASE("an image of more entries than the limit is refused at the first one too many") {
    ManyEntries files(100,
                      [](TarBuilder& tar, std::size_t index) { tar.file(number(index), "x"); });
    OneBlock sink;
    ImageBudget budget;
    for (std::uint64_t i = 10; i < ImageBudget::kMaxEntries; ++i)
        budget.take_entry();
    CHECK_THROWS_WITH(read_tar([&] { return files.next(); }, sink, budget),
                      "the image has more than the limit of 5000000 files");
    CHECK(files.given() == 11);
}
