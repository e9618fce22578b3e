#include "test/integration/layers/layer_case.hpp"
#include "test/support/odd_tar.hpp"

using namespace banger;
using namespace banger::test;

namespace {

TarBuilder layer() {
    return {};
}

}  // namespace

TEST_CASE("a symlinked parent is followed and kept", "[L30][L31]") {
    for (const auto* target : {"usr/lib", "/usr/lib"}) {
        const auto tree = tree_of({layer().dir("usr").dir("usr/lib").symlink("lib", target),
                                   layer().file("lib/x.so", "x")});
        CHECK(tree.names() == "/lib /usr /usr/lib /usr/lib/x.so");
        CHECK(tree["/lib"].link_target == target);
    }
}

TEST_CASE("a symlink that climbs above the root stays inside the image", "[L32][outside]") {
    const auto tree = tree_of({layer().symlink("e", "../../../../tmp/x").file("e/pwn", "x")});
    CHECK(tree.names() == "/e /tmp /tmp/x /tmp/x/pwn");
}

TEST_CASE("what a dangling parent link names is made inside the image", "[L33][outside]") {
    const auto tree = tree_of({layer().symlink("log", "/var/real/log").file("log/a", "x")});
    CHECK(tree.names() == "/log /var /var/real /var/real/log /var/real/log/a");
}

TEST_CASE("a loop of symlinks, or more than forty of them, is an error", "[L34]") {
    CHECK_THAT(refusal_of({layer().symlink("a", "b").symlink("b", "a").file("a/f", "x")}),
               ContainsSubstring("'a/f'") && ContainsSubstring("symlinks"));
    const auto chain = [](int length) {
        auto tar = layer().dir("l0");
        for (int i = 1; i <= length; ++i)
            tar.symlink("l" + std::to_string(i), "l" + std::to_string(i - 1));
        return tar.file("l" + std::to_string(length) + "/f", "x");
    };
    CHECK(tree_of({chain(40)}).holds("/l0/f", "x"));
    CHECK_THAT(refusal_of({chain(41)}), ContainsSubstring("'l41/f'"));
}

TEST_CASE("paths have one normal form and no duplicates", "[L35]") {
    const auto tree = tree_of({layer()
                                   .file("./x", "1")
                                   .file("a//b", "2")
                                   .file("/abs/f", "3")
                                   .file("a/./b", "4")
                                   .file("x", "5")});
    CHECK(tree.names() == "/a /a/b /abs /abs/f /x");
    CHECK(tree.holds("/a/b", "4"));
    CHECK(tree.holds("/x", "5"));
}

TEST_CASE("a path that leaves the image is an error, one that comes back is none",
          "[L36][outside]") {
    CHECK(tree_of({layer().file("a/../b", "x")}).names() == "/b");
    for (const std::string path : {"../etc/passwd", "a/../../b", "/../b", ".."}) {
        CHECK_THAT(refusal_of({layer().file(path, "x")}), ContainsSubstring("'" + path + "'"));
    }
}

TEST_CASE("the root's own entry gives its mode, owner, time and xattrs", "[L37]") {
    const auto tree = tree_of({layer().add({.path = "./",
                                            .type = '5',
                                            .mode = 0711,
                                            .uid = 3,
                                            .gid = 4,
                                            .mtime = 99,
                                            .pax = {{"SCHILY.xattr.user.r", "root"}}})});
    const auto& root = tree["/"];
    CHECK(root.mode == 0711);
    CHECK(root.uid == 3);
    CHECK(root.gid == 4);
    CHECK(root.mtime == 99);
    CHECK(root.xattrs.at("user.r") == "root");
}

TEST_CASE("nothing but a directory may be the root", "[L38]") {
    for (const std::string path : {".", "/", "/.", "./", ""}) {
        CAPTURE(path);
        const auto file = refusal_of({layer().file("a", "x"), layer().file(path, "x")});
        CHECK_THAT(file, ContainsSubstring("'" + path + "'"));
        CHECK_FALSE(refusal_of({layer().symlink(path, "/etc")}).empty());
        CHECK_FALSE(refusal_of({layer().file("a", "x").hard_link(path, "a")}).empty());
    }
}

TEST_CASE("a name of 255 bytes is kept, one of 256 is an error", "[L39]") {
    const std::string name(255, 'n');
    CHECK(tree_of({layer().file("d/" + name, "x")}).has("/d/" + name));
    CHECK_THAT(refusal_of({layer().file("d/" + name + "n", "x")}), ContainsSubstring("255"));
}

TEST_CASE("a path of more than 4096 bytes is an error", "[L40]") {
    std::string path;
    while (path.size() < 4000)
        path += std::string(199, 'd') + "/";
    CHECK(tree_of({layer().file(path + std::string(96, 'f'), "x")})
              .holds("/" + path + std::string(96, 'f'), "x"));
    CHECK_THAT(refusal_of({layer().file(path + std::string(97, 'f'), "x")}),
               ContainsSubstring("4096"));
}

TEST_CASE("long names come out exactly, however they are written", "[L41]") {
    const auto name = std::string(120, 'n') + "/" + std::string(130, 'm');
    const auto target = "to/" + std::string(150, 't');
    SECTION("as GNU tar does") {
        const auto tree = tree_of({layer()
                                       .raw(gnu_long('L', name))
                                       .file("cut", "x")
                                       .raw(gnu_long('K', target))
                                       .raw(gnu_long('L', name + "2"))
                                       .symlink("cut", "cut")
                                       .file("short", "y")});
        CHECK(tree.holds("/" + name, "x"));
        CHECK(tree["/" + name + "2"].link_target == target);
        CHECK(tree.holds("/short", "y"));
    }
    SECTION("as pax does, which outranks the header") {
        const auto tree = tree_of(
            {layer()
                 .add({.path = "other", .content = "x", .pax = {{"path", name}}})
                 .add({.path = "l", .type = '2', .link = "o", .pax = {{"linkpath", target}}})});
        CHECK(tree.holds("/" + name, "x"));
        CHECK(tree["/l"].link_target == target);
    }
    SECTION("in ustar's prefix") {
        const auto tree = tree_of(
            {layer().raw(patched_header({.path = "base"}, 1, 345, "some/prefix")).padded("x")});
        CHECK(tree.holds("/some/prefix/base", "x"));
    }
    SECTION("and where v7 and GNU have other things in the prefix' place, it is no prefix") {
        auto v7 = patched_header({.path = "v7"}, 1, 345, "junk");
        v7.replace(257, 8, std::string(8, '\0'));
        TarBuilder::fix_checksum(v7);
        auto gnu = patched_header({.path = "gnu"}, 1, 345, "00000000001");
        gnu.replace(257, 8, std::string("ustar  \0", 8));
        TarBuilder::fix_checksum(gnu);
        const auto tree = tree_of({layer().raw(v7).padded("x").raw(gnu).padded("y")});
        CHECK(tree.names() == "/gnu /v7");
        CHECK(tree.holds("/v7", "x"));
    }
    SECTION("but what Go wrote before 1.8 has one there, and no times") {
        auto gnu = patched_header({.path = "base"}, 1, 345, "some/prefix");
        gnu.replace(257, 8, std::string("ustar  \0", 8));
        TarBuilder::fix_checksum(gnu);
        CHECK(tree_of({layer().raw(gnu).padded("x")}).holds("/some/prefix/base", "x"));
    }
    SECTION("also when all of a field is text, without an end") {
        const std::string full(100, 'f');
        CHECK(tree_of({layer().file(full, "x")}).holds("/" + full, "x"));
    }
}

TEST_CASE("names are bytes, whatever they are", "[L42][L43]") {
    const std::vector<std::string> names{"caf\xe9",           "\xff\xfe\x80", "new\nline", "t\tab",
                                         "\"quoted\" 'name'", "back\\slash",  "\x01\x7f",  " "};
    auto tar = layer();
    for (const auto& name : names) {
        tar.file("d/" + name, name);
        tar.add({.path = "short", .content = name, .pax = {{"path", "pax/" + name}}});
        tar.raw(gnu_long('L', "gnu/" + name)).file("short", name);
        tar.add({.path = "links/" + name, .type = '2', .link = name});
    }
    const auto tree = tree_of({tar});
    for (const auto& name : names) {
        CAPTURE(name);
        CHECK(tree.holds("/d/" + name, name));
        CHECK(tree.holds("/pax/" + name, name));
        CHECK(tree.holds("/gnu/" + name, name));
        CHECK(tree["/links/" + name].link_target == name);
    }
}

TEST_CASE("names that differ only in case or in Unicode's form are two names", "[L44]") {
    const std::string composed = "caf\xc3\xa9", decomposed = "cafe\xcc\x81";
    const auto tree = tree_of(
        {layer().file("Case", "1").file("case", "2").file(composed, "3").file(decomposed, "4")});
    CHECK(tree.holds("/Case", "1"));
    CHECK(tree.holds("/case", "2"));
    CHECK(tree.holds("/" + composed, "3"));
    CHECK(tree.holds("/" + decomposed, "4"));
}

TEST_CASE("100,000 files in a directory have an index of two levels", "[L45]") {
    auto tar = layer();
    for (int i = 0; i < 100'000; ++i)
        tar.file("many/a-name-of-usual-length-" + std::to_string(i), "");
    const auto tree = tree_of({tar});
    CHECK(tree["/many"].is_indexed);
    CHECK(tree.fs.entries.size() == 100'003);
    CHECK(tree.has("/many/a-name-of-usual-length-0"));
    CHECK(tree.has("/many/a-name-of-usual-length-99999"));
}

TEST_CASE("65,001 subdirectories count as one link", "[L45]") {
    auto tar = layer();
    for (int i = 0; i < 65'001; ++i)
        tar.dir("d/" + std::to_string(i));
    const auto tree = tree_of({tar});
    CHECK(tree["/d"].nlink == 1);
    CHECK(tree["/d/65000"].nlink == 2);
}

TEST_CASE("65,000 hard links are possible, one more is an error naming it", "[L45]") {
    auto tar = layer().file("a", "x");
    for (int i = 1; i < 65'000; ++i)
        tar.hard_link("links/" + std::to_string(i), "a");
    CHECK(tree_of({tar})["/a"].nlink == 65'000);
    CHECK_THAT(refusal_of({tar.hard_link("one-more", "a")}), ContainsSubstring("'one-more'"));
}
