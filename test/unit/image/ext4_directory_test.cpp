#include <chrono>
#include <ctime>
#include <iostream>

#include "test/support/catch.hpp"
#include "test/unit/image/image_builder.hpp"

using namespace banger;
using namespace banger::test;
using image::LayerEntry;
using image::StagingTree;

namespace {

std::vector<LayerEntry> many_files(const std::string& directory, std::size_t count) {
    std::vector<LayerEntry> layer;
    layer.reserve(count);
    for (std::size_t index = 0; index < count; ++index) {
        layer.push_back(file(directory + "/f" + std::to_string(index)));
    }
    return layer;
}

}  // namespace

TEST_CASE("a directory is indexed as soon as it needs a second block") {
    ImageBuilder builder;
    std::vector<LayerEntry> layer = many_files("one", 100);
    for (LayerEntry& entry : many_files("two", 400))
        layer.push_back(std::move(entry));
    ReadFilesystem fs = builder.build(std::move(layer));
    CHECK(fs.at("/one").size == 4096);
    CHECK_FALSE(fs.at("/one").is_indexed);
    CHECK(fs.at("/two").size > 4096);
    CHECK(fs.at("/two").is_indexed);
    CHECK(fs.find("/two/f399") != nullptr);
}

TEST_CASE("directory sizes around the block's edge are all clean") {
    // 16-byte records; a block has 4096 - 12 - 24 bytes for them.
    for (std::size_t count : {253, 254, 255, 256}) {
        ImageBuilder builder;
        std::vector<LayerEntry> layer;
        for (std::size_t index = 0; index < count; ++index) {
            layer.push_back(file("d/" + std::to_string(10000 + index)));
        }
        ReadFilesystem fs = builder.build(std::move(layer));
        CHECK(fs.at("/d").is_indexed == (count > 253));
        CHECK(fs.entries.size() == count + 3);
    }
}

TEST_CASE("names of every byte and of 255 bytes are kept") {
    ImageBuilder builder;
    std::vector<LayerEntry> layer;
    std::vector<std::string> names{"a\nb", "tab\t", "\"quoted\"", "back\\slash",        "\xff\xfe",
                                   "Case", "case",  " ",          std::string(255, 'n')};
    for (const std::string& name : names)
        layer.push_back(file("d/" + name));
    for (int index = 0; index < 100; ++index) {
        layer.push_back(file("long/\xc3\xa9" + std::to_string(index) + std::string(250, 'x')));
    }
    ReadFilesystem fs = builder.build(std::move(layer));
    for (const std::string& name : names)
        CHECK(fs.find("/d/" + name) != nullptr);
    CHECK(fs.at("/long").is_indexed);
    CHECK(fs.find("/long/\xc3\xa9"
                  "99" +
                  std::string(250, 'x')) != nullptr);
}

TEST_CASE("80,000 small files: time of the metadata", "[.][bench]") {
    ImageBuilder builder;
    std::vector<LayerEntry> layer;
    const std::string content(700, 'c');
    for (int index = 0; index < 80'000; ++index) {
        std::string path = "usr/share/" + std::to_string(index / 10 % 90) + "/" +
                           std::to_string(index / 10) + "/file-" + std::to_string(index);
        layer.push_back(builder.file_with(std::move(path), content));
    }
    // CPU time too: the wall clock says little on a busy machine.
    auto cpu_ms = [] { return std::clock() * 1000 / CLOCKS_PER_SEC; };
    auto wall = std::chrono::steady_clock::now();
    auto start = cpu_ms();
    StagingTree tree;
    tree.apply(std::move(layer));
    auto applied = cpu_ms();
    image::Ext4Result result = builder.write(tree);
    auto written = cpu_ms();
    std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - wall;
    std::cout << result.inodes_used << " inodes: apply " << applied - start << " ms of CPU, write "
              << written - applied << " ms of CPU, together " << took.count() << " ms\n";
    CHECK(check_e2fsck(builder.path()) == "");
}
