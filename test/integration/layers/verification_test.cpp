#include <filesystem>

#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/digest.hpp"
#include "test/integration/layers/layer_case.hpp"
#include "test/support/pull_fixture.hpp"

using namespace banger;
using namespace banger::test;

namespace {

TarBuilder layer() {
    return {};
}

/// An image of one layer, its blob as a test leaves it.
struct OneLayer {
    TempDir dir;
    OciBuilder layout{dir / "layout"};
    std::string tar = layer().file("a", std::string(100'000, 'x')).finish();
    std::string blob = layout.blob_path(sha256(pack(tar, Packing::gzip)).to_string());

    OneLayer() { layout.tag("v1", layout.image({{{.tar = tar}}})); }

    Errc failure() {
        PullFixture fixture;
        const auto error = fixture.failure(layout.source("v1"));
        CHECK(fixture.leftovers().empty());
        return error.code();
    }
};

ImageSpec small_layers(int count) {
    ImageSpec spec;
    for (int i = 0; i < count; ++i) {
        const auto text = std::to_string(i);
        spec.layers.push_back({.tar = layer().file("f" + text, text).file("last", text).finish()});
    }
    return spec;
}

}  // namespace

TEST_CASE("a blob whose bytes are not those of its digest is refused", "[L78]") {
    OneLayer image;
    const auto bytes = read_file(image.blob);
    for (const std::size_t at : {std::size_t{0}, bytes.size() / 2, bytes.size() - 1}) {
        auto damaged = bytes;
        damaged[at] = static_cast<char>(damaged[at] ^ 1);
        write_file(image.blob, damaged);
        CHECK(image.failure() == Errc::digest_mismatch);
    }
}

TEST_CASE("a blob of another size than promised is refused", "[L78]") {
    OneLayer image;
    const auto bytes = read_file(image.blob);
    for (const auto& other : {bytes.substr(1), bytes.substr(0, bytes.size() - 1), bytes + "x",
                              bytes + bytes, std::string()}) {
        write_file(image.blob, other);
        CHECK(image.failure() == Errc::digest_mismatch);
    }
}

TEST_CASE("a layer that unpacks to another digest than promised is refused", "[L78]") {
    const TempDir dir;
    OciBuilder layout(dir / "layout");
    const auto wrong = "sha256:" + std::string(64, '0');
    for (const auto packing : {Packing::plain, Packing::gzip, Packing::zstd}) {
        layout.tag("v1", layout.image({{{.tar = layer().file("a", "x").finish(),
                                         .packing = packing,
                                         .diff_id = wrong}}}));
        PullFixture fixture;
        const auto error = fixture.failure(layout.source("v1"));
        CHECK(error.code() == Errc::digest_mismatch);
        CHECK_THAT(error.what(), ContainsSubstring(wrong));
        CHECK(fixture.leftovers().empty());
    }
}

TEST_CASE("a difference in the very last byte, behind the tar's end, is noticed", "[L78]") {
    auto tar = layer().file("a", "x").finish() + std::string(8'000, '\0');
    const auto right = sha256(tar).to_string();
    tar.back() = '\1';
    const TempDir dir;
    OciBuilder layout(dir / "layout");
    layout.tag("v1", layout.image({{{.tar = tar, .diff_id = right}}}));
    PullFixture fixture;
    CHECK(fixture.failure(layout.source("v1")).code() == Errc::digest_mismatch);
    CHECK(fixture.leftovers().empty());
}

TEST_CASE("a layer that may not be distributed is applied like any other", "[L79]") {
    const auto tar = layer().file("a", "x").finish();
    for (const std::string type : {"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
                                   "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"}) {
        CHECK(tree_of_image({{{.tar = tar, .media_type = type}}}).holds("/a", "x"));
    }
}

TEST_CASE("a layer that stands twice is applied twice, in its places", "[L79]") {
    const auto base = layer().file("a", "base").file("keep", "k");
    const auto change = layer().hard_link("b", "a").file("keep", "other");
    const auto tree = tree_of({base, change, base});
    CHECK(tree.holds("/keep", "k"));
    CHECK(tree.holds("/b", "base"));
    CHECK(tree["/a"].inode != tree["/b"].inode);
}

TEST_CASE("history has no say in what the layers are", "[L79]") {
    const auto tree = tree_of_image(
        {.layers = {{.tar = layer().file("a", "x").finish()}},
         .more_config =
             R"("history":[{"created_by":"x"},{"created_by":"y","empty_layer":true},{"empty_layer":true}])"});
    CHECK(tree.names() == "/a");
}

TEST_CASE("no layers at all are an empty root", "[L79]") {
    CHECK(tree_of_image({}).names().empty());
}

TEST_CASE("300 layers are possible, one beyond the limit of 512 is an error", "[L80]") {
    const auto tree = tree_of_image(small_layers(300));
    CHECK(tree.fs.entries.size() == 2 + 301);
    CHECK(tree.holds("/last", "299"));
    CHECK(tree.holds("/f0", "0"));
    CHECK_THAT(refusal_of_image(small_layers(513)),
               ContainsSubstring("513 layers") && ContainsSubstring("limit of 512"));
}

// That e2fsck finds nothing and that a second build has the same bytes holds for every case above:
// tree_of_image sees to it. This one is for the third part of the promise; layer_writes.py runs it
// and others under strace.
TEST_CASE("names that aim outside of the image write nothing there", "[L81][outside]") {
    const auto tree = tree_of({layer()
                                   .symlink("out", "/etc")
                                   .file("out/banger-was-here", "x")
                                   .symlink("up", "../../../../../../../../tmp")
                                   .file("up/banger-was-here", "x")
                                   .file("/abs/banger-was-here", "x")
                                   .hard_link("hard", "/etc/banger-was-here")});
    CHECK(tree.holds("/etc/banger-was-here", "x"));
    CHECK(tree.holds("/tmp/banger-was-here", "x"));
    CHECK_FALSE(std::filesystem::exists("/etc/banger-was-here"));
    CHECK_FALSE(std::filesystem::exists("/tmp/banger-was-here"));
}
