#include "pipelines/image/ext4/staging_tree.hpp"

#include "pipelines/io/error.hpp"
#include "test/support/catch.hpp"
#include "test/unit/image/image_builder.hpp"

using namespace banger;
using namespace banger::test;
using image::LayerEntry;
using image::NodeType;
using image::StagingTree;

namespace {

using Layer = std::vector<LayerEntry>;

/// A file that is told apart by its size.
LayerEntry sized(std::string path, std::uint64_t size) {
    LayerEntry entry = file(std::move(path));
    entry.size = size;
    return entry;
}

StagingTree tree_of(std::vector<Layer> layers) {
    StagingTree tree;
    for (Layer& layer : layers)
        tree.apply(std::move(layer));
    return tree;
}

bool has(const StagingTree& tree, std::string_view path) {
    return tree.find(path).has_value();
}

std::uint64_t size_of(const StagingTree& tree, std::string_view path) {
    const auto node = look(tree, path);
    REQUIRE(node);
    return node->size;
}

/// The message of the error that the layers end in.
std::string error_of(std::vector<Layer> layers) {
    try {
        tree_of(std::move(layers));
    } catch (const Error& error) {
        CHECK(error.code() == Errc::invalid_argument);
        return error.what();
    }
    return "no error";
}

}  // namespace

TEST_CASE("a whiteout hides the file of an earlier layer") {
    StagingTree tree = tree_of({{file("d/a"), file("d/b")}, {whiteout("d", "a")}});
    CHECK_FALSE(has(tree, "/d/a"));
    CHECK(has(tree, "/d/b"));
    CHECK_FALSE(has(tree, "/d/.wh.a"));
}

TEST_CASE("a whiteout spares the file of its own layer, wherever it stands") {
    StagingTree after = tree_of({{sized("a", 1)}, {sized("a", 2), whiteout("", "a")}});
    CHECK(size_of(after, "/a") == 2);
    StagingTree before = tree_of({{sized("a", 1)}, {whiteout("", "a"), sized("a", 2)}});
    CHECK(size_of(before, "/a") == 2);
}

TEST_CASE("a whiteout of nothing makes nothing") {
    StagingTree tree =
        tree_of({{file("a")}, {whiteout("", "missing"), whiteout("x/y", "missing")}});
    CHECK_FALSE(has(tree, "/x"));
    CHECK(look(tree, "/")->children.size() == 1);
}

TEST_CASE("an opaque directory hides what lower layers put there, wherever the marker stands") {
    for (bool first : {true, false}) {
        LayerEntry d = directory("d", 0700);
        Layer upper{file("d/new"), file("d/sub/new")};
        upper.insert(first ? upper.begin() : upper.end(), file("d/.wh..wh..opq"));
        StagingTree tree = tree_of({{d, file("d/old"), file("d/sub/old"), file("e")}, upper});
        CHECK(has(tree, "/d/new"));
        CHECK(has(tree, "/d/sub/new"));
        CHECK_FALSE(has(tree, "/d/old"));
        CHECK_FALSE(has(tree, "/d/sub/old"));
        CHECK(has(tree, "/e"));
        CHECK(look(tree, "/d")->attributes.mode == 0700);
    }
}

TEST_CASE("an opaque marker above keeps what the same layer puts deep below") {
    StagingTree tree = tree_of({{file("a/b/c/bar")}, {file("a/b/c/foo"), file("a/.wh..wh..opq")}});
    CHECK(has(tree, "/a/b/c/foo"));
    CHECK_FALSE(has(tree, "/a/b/c/bar"));
}

TEST_CASE("an opaque marker in the root or in a missing directory") {
    StagingTree tree = tree_of({{file("old")}, {file("new"), file(".wh..wh..opq")}});
    CHECK_FALSE(has(tree, "/old"));
    CHECK(has(tree, "/new"));
    CHECK(look(tree_of({{file("missing/.wh..wh..opq")}}), "/")->children.empty());
}

TEST_CASE("a whiteout of nothing that can be named is an error") {
    CHECK_THAT(error_of({{file("d/.wh.")}}), ContainsSubstring("'d/.wh.'"));
    CHECK_THAT(error_of({{file("etc/.wh..")}}), ContainsSubstring("'etc/.wh..'"));
    CHECK_THAT(error_of({{file("etc/.wh...")}}), ContainsSubstring("'etc/.wh...'"));
}

TEST_CASE("a whiteout works whatever its type") {
    LayerEntry marker = directory("d/.wh.a");
    LayerEntry link = soft_link("d/.wh.b", "/etc");
    StagingTree tree = tree_of({{file("d/a"), file("d/b"), file("etc/x")}, {marker, link}});
    CHECK(look(tree, "/d")->children.empty());
    CHECK(has(tree, "/etc/x"));
}

TEST_CASE("a whiteout is followed through a symlink, of a lower layer or of its own") {
    StagingTree lower = tree_of({{file("etc/w"), soft_link("l", "/etc")}, {file("l/.wh.w")}});
    CHECK_FALSE(has(lower, "/etc/w"));
    CHECK(look(lower, "/l")->type == NodeType::symlink);
    StagingTree same =
        tree_of({{file("etc/w"), file("etc/v")},
                 {file("l/.wh.w"), soft_link("l", "/etc"), sized("etc/v", 9), file("l/.wh.v")}});
    CHECK_FALSE(has(same, "/etc/w"));
    CHECK(size_of(same, "/etc/v") == 9);
}

TEST_CASE("a whiteout in a directory that replaces a symlink spares what the symlink named") {
    Layer lower{soft_link("var/www", "/srv/www"), file("srv/www/a"), file("srv/www/b")};
    for (const char* marker : {"var/www/.wh..wh..opq", "var/www/.wh.a"}) {
        CAPTURE(marker);
        for (bool first : {true, false}) {
            Layer upper{directory("var/www", 0700), file("var/www/new")};
            upper.insert(first ? upper.begin() : upper.end(), file(marker));
            StagingTree tree = tree_of({lower, upper});
            CHECK(look(tree, "/var/www")->type == NodeType::directory);
            CHECK(look(tree, "/var/www")->attributes.mode == 0700);
            CHECK(look(tree, "/var/www")->children.size() == 1);
            CHECK(has(tree, "/var/www/new"));
            CHECK(has(tree, "/srv/www/a"));
            CHECK(has(tree, "/srv/www/b"));
        }
    }
}

TEST_CASE("a whiteout far below, or reached by another link, spares the old target too") {
    Layer lower{soft_link("www", "srv"), soft_link("alias", "/www"), file("srv/d/a")};
    for (const char* marker : {"www/d/.wh.a", "www/d/.wh..wh..opq", "alias/d/.wh.a"}) {
        CAPTURE(marker);
        StagingTree tree = tree_of({lower, {file(marker), directory("www"), file("www/d/new")}});
        CHECK(has(tree, "/srv/d/a"));
        CHECK(has(tree, "/www/d/new"));
    }
}

TEST_CASE("a whiteout behind a new symlink goes where that leads") {
    Layer lower{file("d/x"), file("o/x"), file("o/sub/old"), soft_link("l", "d")};
    SECTION("in place of a directory") {
        StagingTree tree = tree_of({lower, {file("d/.wh.x"), soft_link("d", "o")}});
        CHECK(look(tree, "/d")->type == NodeType::symlink);
        CHECK_FALSE(has(tree, "/o/x"));
        CHECK(has(tree, "/o/sub/old"));
    }
    SECTION("in place of another symlink") {
        StagingTree tree = tree_of({lower, {file("l/.wh.x"), soft_link("l", "o")}});
        CHECK(has(tree, "/d/x"));
        CHECK_FALSE(has(tree, "/o/x"));
    }
    SECTION("into a directory that the layer lists again") {
        StagingTree tree = tree_of(
            {lower, {file("d/.wh..wh..opq"), soft_link("d", "o"), directory("o/sub", 0701)}});
        CHECK_FALSE(has(tree, "/o/x"));
        CHECK_FALSE(has(tree, "/o/sub/old"));
        CHECK(look(tree, "/o/sub")->attributes.mode == 0701);
    }
}

TEST_CASE("a loop of symlinks that a whiteout ends is no error") {
    StagingTree tree = tree_of({{soft_link("a", "b"), soft_link("b", "a")},
                                {file("a/f"), directory("a/d"), whiteout("", "a")}});
    CHECK(has(tree, "/a/f"));
}

TEST_CASE("a whiteout of a symlink removes the link, not what it names") {
    StagingTree tree = tree_of({{file("t/x"), soft_link("l", "t")}, {whiteout("", "l")}});
    CHECK_FALSE(has(tree, "/l"));
    CHECK(has(tree, "/t/x"));
}

TEST_CASE("a whiteout below a dangling symlink does nothing") {
    StagingTree tree = tree_of({{soft_link("l", "/nowhere")}, {file("l/.wh.w")}});
    CHECK(has(tree, "/l"));
    CHECK_FALSE(has(tree, "/nowhere"));
}

TEST_CASE("the whiteout prefix on a directory's name is an ordinary name") {
    CHECK(has(tree_of({{file(".wh.dir/f")}}), "/.wh.dir/f"));
}

TEST_CASE("aufs metadata is no file, but hard links into it have its content") {
    StagingTree tree =
        tree_of({{file(".wh..wh.aufs"), directory(".wh..wh.plnk"), sized(".wh..wh.plnk/1.2", 7),
                  hard_link("bin/tool", ".wh..wh.plnk/1.2"), hard_link("bin/same", "bin/tool")}});
    CHECK(size_of(tree, "/bin/tool") == 7);
    CHECK(look(tree, "/bin/tool")->links == 2);
    CHECK(look(tree, "/")->children.size() == 1);
}

TEST_CASE("a whiteout of one hard-linked name leaves the other") {
    StagingTree tree = tree_of({{sized("a", 5), hard_link("b", "a")}, {whiteout("", "a")}});
    CHECK(size_of(tree, "/b") == 5);
    CHECK(look(tree, "/b")->links == 1);
}

TEST_CASE("types replace each other") {
    Layer lower{file("d/x/y"), file("f"), soft_link("l", "t"), file("t/kept"),
                hard_link("h", "d/x/y")};
    SECTION("a directory becomes a file, and its subtree goes") {
        StagingTree tree = tree_of({lower, {file("d")}});
        CHECK(look(tree, "/d")->type == NodeType::regular);
        CHECK(look(tree, "/d")->children.empty());
        CHECK(look(tree, "/h")->links == 1);
    }
    SECTION("a file becomes a directory") {
        StagingTree tree = tree_of({lower, {directory("f"), file("f/in")}});
        CHECK(has(tree, "/f/in"));
    }
    SECTION("a symlink to a directory becomes a directory") {
        StagingTree tree = tree_of({lower, {directory("l"), file("l/new")}});
        CHECK(look(tree, "/l")->type == NodeType::directory);
        CHECK(has(tree, "/l/new"));
        CHECK(look(tree, "/t")->children.size() == 1);
    }
    SECTION("a directory becomes a symlink, and files go through it") {
        StagingTree tree = tree_of({lower, {soft_link("d", "o"), file("d/g")}});
        CHECK(has(tree, "/o/g"));
        CHECK(look(tree, "/d")->type == NodeType::symlink);
    }
    SECTION("a directory over a directory changes attributes and keeps children") {
        LayerEntry again = directory("d", 01770);
        again.attributes.xattrs = {{"user.x", "1"}};
        StagingTree tree = tree_of({lower, {again}, {directory("d", 0711)}});
        CHECK(has(tree, "/d/x/y"));
        CHECK(look(tree, "/d")->attributes.mode == 0711);
        CHECK(look(tree, "/d")->attributes.xattrs.empty());
    }
}

TEST_CASE("a replaced hard-linked name leaves the other's content") {
    StagingTree tree = tree_of({{sized("a", 5), hard_link("b", "a")}, {sized("a", 6)}});
    CHECK(size_of(tree, "/a") == 6);
    CHECK(size_of(tree, "/b") == 5);
    CHECK(look(tree, "/a")->links == 1);
    CHECK(look(tree, "/b")->links == 1);
}

TEST_CASE("of two entries with one path the last wins") {
    StagingTree tree = tree_of({{sized("a", 1), sized("./a", 2), directory("d", 0700), file("d/x"),
                                 directory("d/", 0711)}});
    CHECK(size_of(tree, "/a") == 2);
    CHECK(look(tree, "/d")->attributes.mode == 0711);
    CHECK(has(tree, "/d/x"));
}

TEST_CASE("a name that changes from directory to symlink and back stays inside") {
    StagingTree tree = tree_of(
        {{directory("foo"), soft_link("foo", "/"), file("foo/tmp/x"), directory("foo", 0701)}});
    CHECK(has(tree, "/tmp/x"));
    CHECK(look(tree, "/foo")->type == NodeType::directory);
    CHECK(look(tree, "/foo")->children.empty());
}

TEST_CASE("a character device 0:0 is a device, not a whiteout") {
    StagingTree tree = tree_of({{file("f")}, {device("f", NodeType::char_device, 0, 0)}});
    CHECK(look(tree, "/f")->type == NodeType::char_device);
}

TEST_CASE("missing parents are made 0755 and belong to root") {
    StagingTree tree = tree_of({{file("a/b/c")}});
    CHECK(look(tree, "/a/b")->attributes.mode == 0755);
    CHECK(look(tree, "/a/b")->attributes.uid == 0);
}

TEST_CASE("a parent that is a file becomes a directory, with a warning") {
    StagingTree tree = tree_of({{file("a")}, {file("a/b")}});
    CHECK(has(tree, "/a/b"));
    REQUIRE(tree.warnings().texts().size() == 1);
    CHECK_THAT(tree.warnings().texts()[0], ContainsSubstring("a/b"));
}

TEST_CASE("symlinked parents are followed inside the image") {
    SECTION("relative and absolute") {
        for (const char* target : {"usr/lib", "/usr/lib"}) {
            StagingTree tree =
                tree_of({{directory("usr/lib"), soft_link("lib", target)}, {file("lib/x.so")}});
            CHECK(has(tree, "/usr/lib/x.so"));
            CHECK(look(tree, "/lib")->type == NodeType::symlink);
        }
    }
    SECTION("and never above its root") {
        StagingTree tree = tree_of({{soft_link("e", "../../../../tmp/x"), file("e/pwn")}});
        CHECK(has(tree, "/tmp/x/pwn"));
    }
    SECTION("and their dangling targets are made") {
        StagingTree tree = tree_of({{soft_link("log", "/var/real"), file("log/a")}});
        CHECK(has(tree, "/var/real/a"));
    }
    SECTION("until they loop") {
        CHECK_THAT(error_of({{soft_link("a", "b"), soft_link("b", "a"), file("a/f")}}),
                   ContainsSubstring("'a/f'") && ContainsSubstring("loop"));
    }
}

TEST_CASE("paths have one normal form") {
    StagingTree tree = tree_of({{sized("./x/", 1), sized("a//b", 1), sized("/abs/f", 1),
                                 sized("a/./b", 2), sized("q/../b", 3)}});
    CHECK(size_of(tree, "/a/b") == 2);
    CHECK(size_of(tree, "/b") == 3);
    CHECK(has(tree, "/abs/f"));
    CHECK(has(tree, "/x"));
    CHECK_FALSE(has(tree, "/q"));
}

TEST_CASE("a path that leaves the image is an error naming it") {
    CHECK_THAT(error_of({{file("../etc/passwd")}}), ContainsSubstring("'../etc/passwd'"));
    CHECK_THAT(error_of({{file("a/../../b")}}), ContainsSubstring("'a/../../b'"));
}

TEST_CASE("the root's own entry sets its attributes and nothing else replaces it") {
    StagingTree tree = tree_of({{directory("./", 0711)}});
    CHECK(look(tree, "/")->attributes.mode == 0711);
    for (const char* name : {".", "/", "/.", ""}) {
        CHECK_THAT(error_of({{soft_link(name, "/etc")}}), ContainsSubstring("root"));
        CHECK_THAT(error_of({{file(name)}}), ContainsSubstring("root"));
    }
}

TEST_CASE("names have Linux' limits") {
    CHECK(has(tree_of({{file(std::string(255, 'n'))}}), "/" + std::string(255, 'n')));
    CHECK_THAT(error_of({{file(std::string(256, 'n'))}}), ContainsSubstring("255"));
    std::string deep;
    for (int level = 0; level < 2048; ++level)
        deep += "d/";
    CHECK_THAT(error_of({{file(deep + "f")}}), ContainsSubstring("4096"));
    CHECK_THAT(error_of({{file(deep.substr(0, 4000) + "f")}}), ContainsSubstring("levels"));
    CHECK_THAT(error_of({{file(std::string("a\0b", 3))}}), ContainsSubstring("'a?b' has a NUL"));
    CHECK_THAT(error_of({{soft_link("l", std::string(4096, 't'))}}), ContainsSubstring("4095"));
    CHECK_THAT(error_of({{sized("big", 1ULL << 44)}}), ContainsSubstring("'big' is larger"));
    CHECK_THAT(error_of({{soft_link("l", "")}}), ContainsSubstring("'l'"));
    CHECK_THAT(error_of({{device("dev/x", NodeType::char_device, 4096, 0)}}),
               ContainsSubstring("dev/x"));
    CHECK_THAT(error_of({{soft_link("l", std::string(300, 'x')), file("l/f")}}),
               ContainsSubstring("'l/f'"));
}

TEST_CASE("hard links find their targets as chroot would") {
    Layer lower{sized("usr/lib/a", 4), soft_link("lib", "usr/lib"), soft_link("s", "usr/lib/a")};
    StagingTree tree = tree_of({lower,
                                {hard_link("abs", "/usr/lib/a"), hard_link("up", "../../usr/lib/a"),
                                 hard_link("through", "lib/a"), hard_link("s2", "s")}});
    CHECK(tree.find("/abs") == tree.find("/usr/lib/a"));
    CHECK(tree.find("/up") == tree.find("/usr/lib/a"));
    CHECK(tree.find("/through") == tree.find("/usr/lib/a"));
    CHECK(look(tree, "/abs")->links == 4);
    CHECK(look(tree, "/s2")->type == NodeType::symlink);
    CHECK(tree.find("/s2") == tree.find("/s"));
}

TEST_CASE("a hard link that cannot be is an error naming it") {
    CHECK_THAT(error_of({{hard_link("b", "a"), file("a")}}), ContainsSubstring("'b'"));
    CHECK_THAT(error_of({{directory("d"), hard_link("b", "d")}}),
               ContainsSubstring("directory 'd'"));
    CHECK_THAT(error_of({{file("a"), hard_link("a", "a")}}), ContainsSubstring("itself"));
    CHECK_THAT(error_of({{file("a")}, {whiteout("", "a"), hard_link("b", "a")}}),
               ContainsSubstring("'b'"));
    // The link would take the place of the way to its target.
    CHECK_THAT(error_of({{file("d/a")}, {hard_link("d", "d/a")}}), ContainsSubstring("not there"));
    CHECK_THAT(error_of({{file("d/a"), soft_link("l", "d")}, {hard_link("l", "l/a")}}),
               ContainsSubstring("not there"));
    LayerEntry with_content = hard_link("b", "a");
    with_content.size = 3;
    CHECK_THAT(error_of({{sized("a", 1), with_content}}), ContainsSubstring("content"));
    CHECK_THAT(error_of({{hard_link("b", "")}}), ContainsSubstring("'b'"));
}

TEST_CASE("65,000 hard links are possible, one more is an error") {
    Layer layer{file("a")};
    for (int index = 1; index < 65'000; ++index)
        layer.push_back(hard_link(std::to_string(index), "a"));
    CHECK(look(tree_of({layer}), "/a")->links == 65'000);
    layer.push_back(hard_link("too-much", "a"));
    CHECK_THAT(error_of({layer}), ContainsSubstring("'too-much'"));
}

TEST_CASE("xattrs that mean nothing in a guest are dropped with a warning") {
    LayerEntry entry = file("f");
    entry.attributes.xattrs = {
        {"trusted.overlay.opaque", "y"}, {"user.kept", "1"}, {"odd.name", "2"}};
    StagingTree tree = tree_of({{entry}});
    REQUIRE(look(tree, "/f")->attributes.xattrs.size() == 1);
    CHECK(look(tree, "/f")->attributes.xattrs[0].first == "user.kept");
    CHECK(tree.warnings().texts().size() == 2);
    entry.attributes.xattrs = {{"user.big", std::string(65'537, 'x')}};
    CHECK_THAT(error_of({{entry}}), ContainsSubstring("'f'") && ContainsSubstring("user.big"));
}

TEST_CASE("a file replaced without xattrs has none left") {
    LayerEntry entry = file("f");
    entry.attributes.xattrs = {{"user.x", "1"}};
    CHECK(look(tree_of({{entry}, {file("f")}}), "/f")->attributes.xattrs.empty());
}

TEST_CASE("a directory listed after a whiteout inside it is no error") {
    StagingTree tree = tree_of({{file("a/b/f")},
                                {whiteout("", "a")},
                                {whiteout("a/b", "f"), directory("a"), directory("a/b")}});
    CHECK(has(tree, "/a/b"));
    CHECK_FALSE(has(tree, "/a/b/f"));
}

TEST_CASE("of many warnings the first hundred are told, and how many followed") {
    Layer layer;
    for (int index = 0; index < 130; ++index) {
        layer.push_back(file(std::to_string(index)));
        layer.back().attributes.xattrs = {{"odd.name", "1"}};
    }
    const StagingTree tree = tree_of({layer});
    REQUIRE(tree.warnings().texts().size() == 101);
    CHECK_THAT(tree.warnings().texts()[99], ContainsSubstring("'99'"));
    CHECK(tree.warnings().texts()[100] == "and 30 more");
    image::WarningList both = tree.warnings();
    both.append(tree.warnings());
    CHECK(both.texts().back() == "and 160 more");
}

TEST_CASE("opaque markers of one layer look through its own directory once") {
    // As often as there are markers, this would be some 10^9 steps.
    constexpr int kCount = 50'000;
    Layer layer;
    for (int index = 0; index < kCount; ++index) {
        layer.push_back(file("new/" + std::to_string(index)));
        layer.push_back(whiteout("new", ".wh..opq"));
    }
    const StagingTree tree = tree_of({{file("old")}, std::move(layer)});
    CHECK(has(tree, "/new/0"));
    CHECK(has(tree, "/new/49999"));
}

TEST_CASE("symlinks that lead to and fro are given up") {
    Layer layer{directory("d")};
    std::string text;
    for (int index = 0; index < 800; ++index)
        text += "d/../";
    for (int index = 0; index < 39; ++index)
        layer.push_back(
            soft_link("l" + std::to_string(index), text + "l" + std::to_string(index + 1)));
    layer.push_back(soft_link("l39", "d"));
    layer.push_back(file("l0/f"));
    CHECK_THAT(error_of({std::move(layer)}), ContainsSubstring("more than 8192 steps away"));
}

TEST_CASE("a merge that is asked to stop stops") {
    std::stop_source stop;
    stop.request_stop();
    StagingTree tree;
    CHECK_THROWS_WITH(tree.apply(Layer{file("a")}, stop.get_token()), "the merge was cancelled");
}
