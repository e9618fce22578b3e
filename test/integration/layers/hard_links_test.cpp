#include "test/integration/layers/layer_case.hpp"

using namespace banger;
using namespace banger::test;

namespace {

TarBuilder layer() {
    return {};
}

}  // namespace

TEST_CASE("a hard link in a layer is one inode of two names, setuid and all", "[L46]") {
    const auto tree = tree_of({layer().file("su", "x", 04755).hard_link("bin/su2", "su")});
    CHECK(tree["/su"].inode == tree["/bin/su2"].inode);
    CHECK(tree["/su"].nlink == 2);
    CHECK(tree["/su"].mode == 04755);
}

TEST_CASE("a hard link may name a file of a lower layer", "[L47]") {
    const auto tree = tree_of({layer().file("a", "lower"), layer().hard_link("b", "a")});
    CHECK(tree["/a"].inode == tree["/b"].inode);
    CHECK(tree.holds("/b", "lower"));
}

TEST_CASE("a hard link before its target is an error", "[L48]") {
    CHECK_THAT(refusal_of({layer().hard_link("b", "a").file("a", "x")}),
               ContainsSubstring("'b'") && ContainsSubstring("'a'"));
}

TEST_CASE("a hard link's target is looked up inside the root, and must be there",
          "[L49][outside]") {
    const auto tree = tree_of(
        {layer().file("etc/a", "x").hard_link("abs", "/etc/a").hard_link("up", "../../etc/a")});
    CHECK(tree["/etc/a"].nlink == 3);
    CHECK(tree["/abs"].inode == tree["/up"].inode);
    CHECK_THAT(refusal_of({layer().hard_link("b", "/etc/passwd")}),
               ContainsSubstring("'b'") && ContainsSubstring("'/etc/passwd'"));
    CHECK_THAT(refusal_of({layer().hard_link("b", "../../etc/passwd")}), ContainsSubstring("'b'"));
}

TEST_CASE("a hard link through a symlinked directory reaches the same inode", "[L50]") {
    const auto tree =
        tree_of({layer().file("usr/lib/a", "x").symlink("lib", "usr/lib").hard_link("b", "lib/a")});
    CHECK(tree["/b"].inode == tree["/usr/lib/a"].inode);
}

TEST_CASE("a hard link to a symlink is a second name of the link", "[L51]") {
    const auto tree = tree_of({layer().file("a", "x").symlink("s", "a").hard_link("s2", "s")});
    CHECK(tree["/s2"].type == 'l');
    CHECK(tree["/s2"].inode == tree["/s"].inode);
    CHECK(tree["/s"].nlink == 2);
    CHECK(tree["/a"].nlink == 1);
}

TEST_CASE("a hard link to a directory, to itself or to what is gone is an error", "[L52]") {
    CHECK_THAT(refusal_of({layer().dir("d").hard_link("b", "d")}),
               ContainsSubstring("'b'") && ContainsSubstring("directory"));
    CHECK_THAT(refusal_of({layer().file("a", "x").hard_link("a", "a")}),
               ContainsSubstring("itself"));
    CHECK_THAT(refusal_of({layer().file("a", "x"), layer().file(".wh.a", "").hard_link("b", "a")}),
               ContainsSubstring("'b'"));
}

TEST_CASE("a hard link that brings content is an error", "[L53]") {
    for (const std::map<std::string, std::string>& pax :
         {std::map<std::string, std::string>{}, {{"size", "4"}}}) {
        CHECK_THAT(
            refusal_of(
                {layer()
                     .file("a", "good")
                     .add({.path = "b", .type = '1', .content = "evil", .link = "a", .pax = pax})}),
            ContainsSubstring("'b'"));
    }
}

TEST_CASE("a symlink's text has 4095 bytes at most, and one at least", "[L54]") {
    const std::string longest(4095, 't');
    CHECK(tree_of({layer().symlink("l", longest)})["/l"].link_target == longest);
    CHECK_THAT(refusal_of({layer().symlink("l", longest + "t")}), ContainsSubstring("4095"));
    CHECK_THAT(refusal_of({layer().symlink("l", "")}), ContainsSubstring("'l'"));
    for (const std::size_t size : {59u, 60u, 100u, 101u}) {
        const std::string text(size, 's');
        CHECK(tree_of({layer().symlink("l", text)})["/l"].link_target == text);
    }
}
