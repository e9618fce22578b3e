#include "pipelines/image/ext4/directory_names.hpp"

#include <map>
#include <random>
#include <string>

#include "test/support/catch.hpp"

using namespace banger;
using image::DirectoryNames;
using image::kNoNode;
using image::NodeId;

namespace {

using Listing = std::vector<std::pair<std::string, NodeId>>;

Listing listing(const DirectoryNames& names, DirectoryNames::Root root) {
    Listing all;
    names.for_each(root, [&](std::string_view name, NodeId node) { all.emplace_back(name, node); });
    return all;
}

}  // namespace

TEST_CASE("names stay in byte order whatever is put, replaced and erased") {
    std::mt19937 random(7);
    DirectoryNames names;
    DirectoryNames::Root roots[2] = {0, 0};
    std::map<std::string, NodeId> expected[2];
    for (NodeId node = 0; node < 20'000; ++node) {
        const auto which = random() % 2;
        std::string name = std::to_string(random() % 3000);
        name[0] = static_cast<char>(name[0] + (random() % 2) * 0x80);
        auto& map = expected[which];
        const auto found = map.find(name);
        const NodeId before = found == map.end() ? kNoNode : found->second;
        REQUIRE(names.find(roots[which], name) == before);
        if (random() % 3 == 0) {
            names.erase(roots[which], name);
            map.erase(name);
        } else {
            REQUIRE(names.put(roots[which], name, node) == before);
            map[name] = node;
        }
    }
    for (const int which : {0, 1})
        CHECK(listing(names, roots[which]) ==
              Listing(expected[which].begin(), expected[which].end()));
    names.erase_if(roots[0], [](NodeId node) { return node % 2 == 0; });
    std::erase_if(expected[0], [](const auto& name) { return name.second % 2 == 0; });
    CHECK(listing(names, roots[0]) == Listing(expected[0].begin(), expected[0].end()));
    names.erase_if(roots[0], [](NodeId) { return true; });
    CHECK(roots[0] == 0);
}
