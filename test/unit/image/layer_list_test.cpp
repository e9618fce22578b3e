#include "pipelines/image/ext4/layer_list.hpp"

#include <limits>

#include "test/support/catch.hpp"
#include "test/unit/image/image_builder.hpp"

using namespace banger;
using namespace banger::test;
using image::LayerEntry;
using image::LayerList;
using image::NodeType;

namespace {

std::vector<LayerEntry> every_kind() {
    std::vector<LayerEntry> entries{directory("usr/share/doc"),
                                    file("usr/share/doc/a"),
                                    file("usr/share/do"),
                                    file(""),
                                    soft_link("usr/l", "../x"),
                                    hard_link("u", "usr/share/doc/a"),
                                    device("dev/x", NodeType::char_device, 259, 70000)};
    auto& odd = entries[1];
    odd.attributes = {07777,
                      std::numeric_limits<std::uint32_t>::max(),
                      1u << 31,
                      {-5, 999'999'999},
                      {{"user.x", std::string(70'000, 'v')}, {"user.empty", ""}}};
    odd.size = 1ull << 43;
    odd.extents = {{0, 1ull << 33, 40'000}, {90'000, 300, 1}, {4'000'000'000u, 301, 7}};
    entries[2].extents = {{0, 308, 1}};
    entries[3].attributes.mtime = {std::numeric_limits<std::int64_t>::min(), 0};
    return entries;
}

}  // namespace

TEST_CASE("a packed list gives back what was put in, as often as it is read") {
    const auto entries = every_kind();
    LayerList list(entries);
    CHECK(list.size() == entries.size());
    CHECK(list.last_path() == "dev/x");
    for (int round = 0; round < 2; ++round) {
        std::vector<LayerEntry> read;
        list.for_each([&](LayerEntry& entry) { read.push_back(std::move(entry)); });
        CHECK(read == entries);
    }
    std::vector<LayerEntry> consumed;
    list.consume([&](LayerEntry& entry) { consumed.push_back(std::move(entry)); });
    CHECK(consumed == entries);
    CHECK(list.empty());
    list.for_each([](LayerEntry&) { FAIL("nothing is left"); });
}

TEST_CASE("a list that was read to its end can be filled again") {
    LayerList list(every_kind());
    list.consume([](LayerEntry&) {});
    const auto entries = every_kind();
    for (const auto& entry : entries)
        list.add(entry);
    std::size_t index = 0;
    list.for_each([&](LayerEntry& entry) { CHECK(entry == entries[index++]); });
    CHECK(index == entries.size());
}
