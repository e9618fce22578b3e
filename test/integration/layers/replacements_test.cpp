#include <sys/stat.h>

#include "test/integration/layers/layer_case.hpp"

using namespace banger;
using namespace banger::test;

namespace {

TarBuilder layer() {
    return {};
}

/// The process' umask, until the end of the test.
struct Umask {
    explicit Umask(mode_t mask) : before(::umask(mask)) {}
    ~Umask() { ::umask(before); }
    mode_t before;
};

}  // namespace

TEST_CASE("a directory replaced by a file loses its subtree", "[L17]") {
    const auto tree = tree_of({layer().file("d/x/y", "x"), layer().file("d", "file")});
    CHECK(tree.names() == "/d");
    CHECK(tree.holds("/d", "file"));
}

TEST_CASE("a file replaced by a directory is one", "[L18]") {
    CHECK(tree_of({layer().file("f", "x"), layer().dir("f").file("f/in", "y")}).names() ==
          "/f /f/in");
}

TEST_CASE("a directory entry replaces a symlink and spares what it named", "[L19]") {
    const auto tree =
        tree_of({layer().file("t/kept", "x").symlink("l", "t"), layer().dir("l").file("l/n", "y")});
    CHECK(tree.names() == "/l /l/n /t /t/kept");
    CHECK(tree["/l"].type == 'd');
}

TEST_CASE("a symlink replaces a directory, and later entries go through it", "[L20]") {
    const auto tree = tree_of(
        {layer().file("d/x", "x").dir("o"), layer().symlink("d", "o").file("d/g", "through")});
    CHECK(tree.names() == "/d /o /o/g");
    CHECK(tree["/d"].type == 'l');
    CHECK(tree.holds("/o/g", "through"));
}

TEST_CASE("a directory over a directory changes what it has and keeps its children", "[L21]") {
    const auto tree = tree_of({layer()
                                   .add({.path = "d/",
                                         .type = '5',
                                         .mode = 0700,
                                         .uid = 1,
                                         .mtime = 1000,
                                         .pax = {{"SCHILY.xattr.user.old", "1"}}})
                                   .file("d/kept", "x"),
                               layer().add({.path = "d/",
                                            .type = '5',
                                            .mode = 01775,
                                            .uid = 2,
                                            .gid = 3,
                                            .mtime = 2000,
                                            .pax = {{"SCHILY.xattr.user.new", "2"}}})});
    const auto& d = tree["/d"];
    CHECK(d.mode == 01775);
    CHECK(d.uid == 2);
    CHECK(d.gid == 3);
    CHECK(d.mtime == 2000);
    CHECK(d.xattrs == std::map<std::string, std::string>{{"user.new", "2"}});
    CHECK(tree.has("/d/kept"));
}

TEST_CASE("replacing one of two hard-linked names leaves the other's content", "[L22]") {
    const auto tree =
        tree_of({layer().file("a", "old").hard_link("b", "a"), layer().file("a", "new")});
    CHECK(tree.holds("/a", "new"));
    CHECK(tree.holds("/b", "old"));
    CHECK(tree["/a"].inode != tree["/b"].inode);
    CHECK(tree["/a"].nlink == 1);
    CHECK(tree["/b"].nlink == 1);
}

TEST_CASE("of two entries with one path in a layer the last wins", "[L23]") {
    const auto tree = tree_of({layer().file("a", "first").file("a", "last, and longer")});
    CHECK(tree.holds("/a", "last, and longer"));
}

TEST_CASE("a directory listed twice has its last mode and all its children", "[L24]") {
    const auto tree = tree_of({layer().dir("d", 0700).file("d/x", "x").dir("d", 0711)});
    CHECK(tree.names() == "/d /d/x");
    CHECK(tree["/d"].mode == 0711);
}

TEST_CASE("a directory entry after its children still gives its attributes", "[L25]") {
    const auto tree = tree_of(
        {layer()
             .file("d/x", "x")
             .add({.path = "d/", .type = '5', .mode = 0750, .uid = 5, .gid = 6, .mtime = 77})});
    CHECK(tree["/d"].mode == 0750);
    CHECK(tree["/d"].uid == 5);
    CHECK(tree["/d"].gid == 6);
    CHECK(tree["/d"].mtime == 77);
    CHECK(tree.has("/d/x"));
}

TEST_CASE("a name that is a directory, a link to / and a directory again stays inside", "[L26]") {
    const auto tree =
        tree_of({layer().dir("foo").symlink("foo", "/").file("foo/tmp/x", "x").dir("foo", 0701)});
    CHECK(tree.names() == "/foo /tmp /tmp/x");
    CHECK(tree["/foo"].type == 'd');
    CHECK(tree["/foo"].mode == 0701);
}

TEST_CASE("a character device 0:0 is a device, not a whiteout", "[L27]") {
    const auto tree = tree_of({layer().file("f", "x"), layer().device("f", '3', 0, 0)});
    CHECK(tree["/f"].type == 'c');
    CHECK(tree["/f"].device_major == 0);
    CHECK(tree["/f"].device_minor == 0);
}

TEST_CASE("missing parents are 0755 and root's, whatever the umask", "[L28]") {
    const Umask strict(0077);
    const auto tree = tree_of({layer().add({.path = "a/b/c", .content = "x", .uid = 9, .gid = 9})});
    for (const auto* path : {"/a", "/a/b"}) {
        CHECK(tree[path].type == 'd');
        CHECK(tree[path].mode == 0755);
        CHECK(tree[path].uid == 0);
        CHECK(tree[path].gid == 0);
    }
}

TEST_CASE("a parent that is a file becomes a directory, and a warning tells", "[L29]") {
    const auto tree = tree_of({layer().file("a", "x"), layer().file("a/b", "y")});
    CHECK(tree.names() == "/a /a/b");
    CHECK(tree.warns("a/b"));
}
