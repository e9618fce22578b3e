#include "test/integration/layers/layer_case.hpp"

using namespace banger;
using namespace banger::test;

namespace {

TarBuilder layer() {
    return {};
}

}  // namespace

TEST_CASE("a whiteout spares the file of its own layer, before it or after it", "[L1][L2]") {
    const auto lower = layer().file("a", "old");
    CHECK(tree_of({lower, layer().file("a", "new").file(".wh.a", "")}).holds("/a", "new"));
    CHECK(tree_of({lower, layer().file(".wh.a", "").file("a", "new")}).holds("/a", "new"));
    CHECK(tree_of({lower, layer().file(".wh.a", "")}).names().empty());
}

TEST_CASE("a whiteout of what is not there does nothing and makes no parent", "[L3]") {
    const auto tree = tree_of(
        {layer().file("a", "x"), layer().file(".wh.missing", "").file("x/y/.wh.missing", "")});
    CHECK(tree.names() == "/a");
}

TEST_CASE("an opaque marker hides lower children only, wherever it stands", "[L4]") {
    const auto lower = layer()
                           .add({.path = "d/", .type = '5', .mode = 0711, .uid = 7, .gid = 8})
                           .file("d/old", "x")
                           .file("d/sub/old", "x");
    for (const bool first : {true, false}) {
        auto upper = layer();
        if (first) upper.file("d/.wh..wh..opq", "");
        upper.file("d/new", "y").file("d/sub/new", "y");
        if (!first) upper.file("d/.wh..wh..opq", "");
        const auto tree = tree_of({lower, upper});
        CHECK(tree.names() == "/d /d/new /d/sub /d/sub/new");
        CHECK(tree["/d"].mode == 0711);
        CHECK(tree["/d"].uid == 7);
        CHECK(tree["/d"].gid == 8);
    }
}

TEST_CASE("an opaque marker far above keeps what its own layer has below", "[L5]") {
    const auto tree = tree_of({layer().file("a/b/c/bar", "old"), layer()
                                                                     .dir("a")
                                                                     .dir("a/b")
                                                                     .dir("a/b/c")
                                                                     .file("a/b/c/foo", "new")
                                                                     .file("a/.wh..wh..opq", "")});
    CHECK(tree.names() == "/a /a/b /a/b/c /a/b/c/foo");
}

TEST_CASE("an opaque marker in a directory that is not there does nothing", "[L6]") {
    CHECK(tree_of({layer().file("a", "x"), layer().file("missing/.wh..wh..opq", "")}).names() ==
          "/a");
}

TEST_CASE("a whiteout without a name is an error naming the entry", "[L7]") {
    CHECK_THAT(refusal_of({layer().file("d/a", "x"), layer().file("d/.wh.", "")}),
               ContainsSubstring("'d/.wh.'"));
}

TEST_CASE("a whiteout of . or .. is an error naming the entry", "[L8][outside]") {
    for (const std::string name : {"etc/.wh..", "etc/.wh..."}) {
        CHECK_THAT(refusal_of({layer().file("etc/a", "x"), layer().file(name, "")}),
                   ContainsSubstring("'" + name + "'"));
    }
}

TEST_CASE("a whiteout may be of any type and bring data that nobody wants", "[L9]") {
    const auto tree =
        tree_of({layer().file("d/a", "x").file("d/b", "x").file("d/c", "x").file("d/e", "x"),
                 layer()
                     .dir("d/.wh.a")
                     .symlink("d/.wh.b", "/etc")
                     .file("d/.wh.c", "data")
                     .device("d/.wh.e", '3', 0, 0)});
    CHECK(tree.names() == "/d");
}

TEST_CASE("a whiteout behind a symlink removes from where the link leads", "[L10][outside]") {
    const auto tree = tree_of({layer().file("etc/w", "x").file("etc/v", "x").symlink("l", "/etc"),
                               layer().file("l/.wh.w", "")});
    CHECK(tree.names() == "/etc /etc/v /l");
    CHECK(tree["/l"].link_target == "/etc");
}

TEST_CASE("a whiteout of a symlink removes the link and keeps its target", "[L11]") {
    CHECK(
        tree_of({layer().file("t/x", "x").symlink("l", "t"), layer().file(".wh.l", "")}).names() ==
        "/t /t/x");
}

TEST_CASE("a whiteout below a dangling symlink does nothing", "[L12]") {
    CHECK(tree_of({layer().symlink("l", "/nowhere"), layer().file("l/.wh.w", "")}).names() == "/l");
}

TEST_CASE("the whiteout prefix on a directory of a path is part of an ordinary name", "[L13]") {
    CHECK(tree_of({layer().file("dir/x", "x"), layer().file(".wh.dir/f", "y")}).names() ==
          "/.wh.dir /.wh.dir/f /dir /dir/x");
}

TEST_CASE("aufs metadata is absent, but a hard link to it has its content", "[L14]") {
    const auto tree = tree_of({layer()
                                   .file(".wh..wh.aufs", "")
                                   .dir(".wh..wh.plnk")
                                   .file(".wh..wh.plnk/1.2", "content")
                                   .hard_link("bin/tool", ".wh..wh.plnk/1.2")});
    CHECK(tree.names() == "/bin /bin/tool");
    CHECK(tree.holds("/bin/tool", "content"));
    CHECK(tree["/bin/tool"].nlink == 1);
}

TEST_CASE("a whiteout listed before its directories is no error", "[L15]") {
    const auto tree = tree_of({layer().file("dirA/dirB/f", "x"), layer().file(".wh.dirA", ""),
                               layer().file("dirA/dirB/.wh.f", "").dir("dirA").dir("dirA/dirB")});
    CHECK(tree.names() == "/dirA /dirA/dirB");
}

TEST_CASE("a whiteout of one hard-linked name leaves the other its data", "[L16]") {
    const auto tree =
        tree_of({layer().file("a", "data").hard_link("b", "a"), layer().file(".wh.a", "")});
    CHECK(tree.names() == "/b");
    CHECK(tree.holds("/b", "data"));
    CHECK(tree["/b"].nlink == 1);
}
