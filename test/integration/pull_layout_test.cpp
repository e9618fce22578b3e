#include <filesystem>

#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/json.hpp"
#include "test/support/catch.hpp"
#include "test/support/oci_builder.hpp"
#include "test/support/pull_fixture.hpp"
#include "test/support/script_server.hpp"
#include "test/support/small_disk.hpp"
#include "test/support/tar_builder.hpp"

using namespace banger;
using namespace banger::test;

namespace {

/// A base, an application layer that changes it, and a small last one.
ImageSpec three_layers(Packing packing) {
    auto base = TarBuilder()
                    .dir("etc")
                    .file("etc/passwd", "root:x:0:0::/:/bin/sh\n")
                    .file("etc/gone", "gone")
                    .dir("opt")
                    .file("opt/old", "old")
                    .dir("usr")
                    .dir("usr/lib")
                    .symlink("lib", "usr/lib")
                    .add({.path = "usr/su", .content = "suid", .mode = 04755, .uid = 10, .gid = 20})
                    .file("usr/big", std::string(3'000'000, 'b'))
                    .device("null", '3', 1, 3)
                    .finish();
    auto app =
        TarBuilder()
            .file("etc/.wh.gone", "")
            .file("opt/.wh..wh..opq", "")
            .file("opt/new", "new")
            .file("lib/x.so", "through a link")
            .hard_link("usr/su2", "usr/su")
            .add({.path = "usr/cap",
                  .content = "cap",
                  .pax = {{"SCHILY.xattr.security.capability",
                           std::string("\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20)},
                          {"SCHILY.xattr.user.note", "hi"}}})
            .finish();
    auto last = TarBuilder().file("etc/passwd", "replaced\n").finish();
    return {{{base, packing}, {app, packing}, {last, packing}}};
}

void check_tree(const ReadFilesystem& fs) {
    CHECK(fs.at("/etc/passwd").sha256 == sha256("replaced\n").hex);
    CHECK_FALSE(fs.find("/etc/gone"));
    CHECK_FALSE(fs.find("/opt/old"));
    CHECK(fs.at("/opt/new").sha256 == sha256("new").hex);
    CHECK(fs.at("/lib").link_target == "usr/lib");
    CHECK(fs.at("/usr/lib/x.so").sha256 == sha256("through a link").hex);
    CHECK(fs.at("/usr/su").inode == fs.at("/usr/su2").inode);
    CHECK(fs.at("/usr/su").nlink == 2);
    CHECK(fs.at("/usr/su").mode == 04755);
    CHECK(fs.at("/usr/su").uid == 10);
    CHECK(fs.at("/usr/big").sha256 == sha256(std::string(3'000'000, 'b')).hex);
    CHECK(fs.at("/usr/cap").xattrs.at("user.note") == "hi");
    CHECK(fs.at("/usr/cap").xattrs.at("security.capability").size() == 20);
    CHECK(fs.at("/null").type == 'c');
    CHECK(fs.at("/null").device_major == 1);
    CHECK(fs.at("/null").device_minor == 3);
}

}  // namespace

TEST_CASE("a layout of one layer becomes a sound ext4") {
    PullFixture fixture;
    const TempDir dir;
    OciBuilder layout(dir / "layout");
    layout.tag("v1", layout.image({{{TarBuilder().dir("etc").file("etc/x", "hello").finish()}}}));
    const auto pulled = fixture.pull(layout.source("v1"));
    CHECK(pulled.reference == layout.source("v1"));
    CHECK(pulled.layers == 1);
    CHECK(pulled.size == 1ull << 30);
    CHECK(pulled.config.cmd == std::vector<std::string>{"/bin/sh"});
    CHECK(pulled.config.user == "1:2");
    CHECK(fixture.read().at("/etc/x").sha256 == sha256("hello").hex);
}

TEST_CASE("three layers give the same tree, however they are packed") {
    for (const auto packing : {Packing::plain, Packing::gzip, Packing::zstd}) {
        const TempDir dir;
        PullFixture fixture;
        OciBuilder layout(dir / "layout");
        layout.tag("v1", layout.image(three_layers(packing)));
        fixture.pull(layout.source("v1"));
        check_tree(fixture.read());
    }
}

TEST_CASE("the record beside the image tells what was pulled") {
    const TempDir dir;
    PullFixture fixture;
    OciBuilder layout(dir / "layout");
    const auto descriptor = layout.image(three_layers(Packing::gzip));
    layout.tag("v1", descriptor);
    const auto pulled = fixture.pull(layout.source("v1"));
    CHECK(pulled.digest.to_string() == digest_of(descriptor));
    CHECK(fixture.resolve(layout.source("v1")) == pulled.digest);
    const auto record = parse_json(read_file(fixture.staging() + "/manifest.json"), "the record");
    CHECK(record.at("digest").as_string() == digest_of(descriptor));
    CHECK(record.at("layers").as_array().size() == 3);
    CHECK(record.at("used_bytes").to_number<std::uint64_t>() == pulled.used_bytes);
    CHECK(record.at("config").at("user").as_string() == "1:2");
    CHECK(fixture.leftovers() == std::vector<std::string>{fixture.staging()});
}

TEST_CASE("progress tells the stages in order and every layer to its last byte") {
    const TempDir dir;
    PullFixture fixture;
    OciBuilder layout(dir / "layout");
    layout.tag("v1", layout.image(three_layers(Packing::gzip)));
    const auto pulled = fixture.pull(layout.source("v1"));
    std::vector<std::string> stages;
    std::map<std::string, std::uint64_t> layers;
    for (const auto& step : fixture.progress) {
        if (stages.empty() || stages.back() != step.stage) stages.push_back(step.stage);
        if (step.stage != "layer") continue;
        CHECK(step.done <= step.total);
        layers[step.item] = step.done;
    }
    CHECK(stages == std::vector<std::string>{"resolve", "layer", "merge", "write", "profile"});
    std::uint64_t sum = 0;
    for (const auto& [item, bytes] : layers)
        sum += bytes;
    CHECK(sum == pulled.download_bytes);
}

TEST_CASE("a pull's profile counts what went through each stage") {
    const TempDir dir;
    PullFixture fixture;
    OciBuilder layout(dir / "layout");
    const auto spec = three_layers(Packing::gzip);
    layout.tag("v1", layout.image(spec));
    const auto pulled = fixture.pull(layout.source("v1"));
    std::uint64_t tars = 0;
    for (const auto& layer : spec.layers)
        tars += layer.tar.size();
    std::map<std::string, std::uint64_t> bytes;
    for (const auto& step : fixture.progress) {
        if (step.stage == "profile") bytes[step.item] = step.done;
    }
    CHECK(bytes.size() == 9);
    CHECK(bytes["network"] == pulled.download_bytes);
    CHECK(bytes["blob hash"] == pulled.download_bytes);
    CHECK(bytes["inflate"] == tars);
    CHECK(bytes["tar hash"] == tars);
    CHECK(bytes["tar parse"] == tars);
    CHECK(bytes["write"] >= 3'000'000);  // the only large file
}

TEST_CASE("the same manifest gives the same bytes, by io_uring and by pwrite, in any order") {
    const TempDir dir;
    OciBuilder layout(dir / "layout");
    layout.tag("v1", layout.image(three_layers(Packing::gzip)));
    std::vector<std::string> digests;
    for (const auto& setup :
         {PullSetup{}, PullSetup{}, PullSetup{.uring = false}, PullSetup{.parallel_layers = 1}}) {
        PullFixture fixture;
        fixture.pull(layout.source("v1"), setup);
        digests.push_back(fixture.fingerprint());
    }
    CHECK(digests == std::vector<std::string>(4, digests[0]));
}

TEST_CASE("the size that was asked for is the size of the file system") {
    const TempDir dir;
    PullFixture fixture;
    OciBuilder layout(dir / "layout");
    layout.tag("v1", layout.image(three_layers(Packing::gzip)));
    CHECK(fixture.pull(layout.source("v1"), {.size = 3ull << 30}).size == 3ull << 30);
    CHECK(std::filesystem::file_size(fixture.rootfs()) == 3ull << 30);
    CHECK(fixture.read().free_bytes > 2ull << 30);
}

TEST_CASE("a tag that a layout does not have is named, with those it has") {
    const TempDir dir;
    PullFixture fixture;
    OciBuilder layout(dir / "layout");
    layout.tag("v1", layout.image({{}}));
    layout.tag("v2", layout.image({{{TarBuilder().dir("x").finish()}}}));
    const auto error = fixture.failure(layout.source("v3"));
    CHECK(error.code() == Errc::not_found);
    CHECK(error.what() ==
          "no image tagged 'v3' in the OCI layout " + layout.path() + "; it has v1, v2");
    CHECK(fixture.failure("oci:" + layout.path()).code() == Errc::invalid_argument);
    CHECK(fixture.failure("oci:" + dir.path().string() + "/absent").code() == Errc::not_found);
    CHECK(fixture.leftovers().empty());
}

TEST_CASE("broken layers fail with what is wrong and leave nothing behind") {
    const TempDir dir;
    PullFixture fixture;
    OciBuilder layout(dir / "layout");
    const auto tar = TarBuilder().file("a", std::string(100'000, 'x')).finish();
    layout.tag("diff", layout.image({{{tar, Packing::gzip, "sha256:" + std::string(64, '0')}}}));
    layout.tag("cut", layout.image({{{tar.substr(0, 50'000), Packing::gzip, ""}}}));
    layout.tag("junk", layout.image({{{std::string(50'000, 'j'), Packing::zstd, ""}}}));
    CHECK(fixture.failure(layout.source("diff")).code() == Errc::digest_mismatch);
    CHECK(fixture.failure(layout.source("cut")).code() == Errc::invalid_argument);
    CHECK(fixture.failure(layout.source("junk")).code() == Errc::invalid_argument);
    CHECK(fixture.leftovers().empty());

    const auto good = layout.image({{{tar, Packing::gzip, ""}}});
    layout.tag("good", good);
    const auto blob = layout.blob_path(sha256(pack(tar, Packing::gzip)).to_string());
    auto bytes = read_file(blob);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    write_file(blob, bytes);
    CHECK(fixture.failure(layout.source("good")).code() == Errc::digest_mismatch);
    write_file(blob, bytes.substr(1));
    CHECK(fixture.failure(layout.source("good")).code() == Errc::digest_mismatch);
    std::filesystem::remove(blob);
    CHECK(fixture.failure(layout.source("good")).code() == Errc::not_found);
    CHECK(fixture.leftovers().empty());
}

TEST_CASE("a disk that fills up ends the pull, and is given back what the pull took") {
    const TempDir dir;
    const SmallDisk disk(dir.path(), "64m");
    if (!disk) {
        WARN("skipped: only root may mount a small file system");
        return;
    }
    const TempDir elsewhere;
    OciBuilder layout(elsewhere / "layout");
    // Packs well, so that it is noticed only on the way.
    const std::string content = [] {
        std::string text;
        while (text.size() < 100'000'000)
            text += "the same line again and again\n";
        return text;
    }();
    layout.tag("v1", layout.image({{{TarBuilder().file("big", content).finish()}}}));
    for (const bool uring : {true, false}) {
        PullFixture fixture(dir.path());
        const auto before = std::filesystem::space(dir.path()).free;
        const auto error = fixture.failure(layout.source("v1"), {.uring = uring});
        CHECK(error.code() == Errc::no_space);
        CHECK(fixture.leftovers().empty());
        CHECK(std::filesystem::space(dir.path()).free == before);
    }
}

TEST_CASE("a disk is kept from filling up by small files, of which each takes a block") {
    const TempDir dir;
    const SmallDisk disk(dir.path(), "64m");
    if (!disk) {
        WARN("skipped: only root may mount a small file system");
        return;
    }
    const TempDir elsewhere;
    TarBuilder tar;
    for (int index = 0; index < 20'000; ++index)
        tar.file(fmt::format("f{:05}", index), "x");
    OciBuilder layout(elsewhere / "layout");
    layout.tag("v1", layout.image({{{tar.finish()}}}));
    PullFixture fixture(dir.path());
    const auto error = fixture.failure(layout.source("v1"));
    CHECK(error.code() == Errc::no_space);
    // Before the disk was full, so by our own look at it.
    CHECK_THAT(error.what(), ContainsSubstring("must stay free"));
    CHECK(fixture.leftovers().empty());
}

TEST_CASE("a staging directory that is there already is left alone") {
    const TempDir dir;
    PullFixture fixture;
    OciBuilder layout(dir / "layout");
    layout.tag("v1", layout.image({{}}));
    std::filesystem::create_directory(fixture.staging());
    write_file(fixture.staging() + "/precious", "x");
    CHECK(fixture.failure(layout.source("v1")).code() == Errc::already_exists);
    CHECK(std::filesystem::exists(fixture.staging() + "/precious"));
}

TEST_CASE("a dozen pulls leave no descriptor and no thread behind") {
    const TempDir dir;
    PullFixture fixture;
    OciBuilder layout(dir / "layout");
    layout.tag("v1", layout.image(three_layers(Packing::zstd)));
    const auto threads = count_threads();
    fixture.pull(layout.source("v1"));
    const auto descriptors = count_descriptors();
    for (int i = 0; i < 12; ++i) {
        fixture.remove_staging();
        fixture.pull(layout.source("v1"), {.uring = i % 2 == 0});
    }
    CHECK(threads_settle_at(threads));
    CHECK(count_descriptors() == descriptors);
}

TEST_CASE("a layer known by its sha512 is checked, pulled and cached like any other", "[R19]") {
    const TempDir dir;
    OciBuilder layout(dir / "layout");
    const LayerSpec layer{.tar = TarBuilder().file("etc/x", "x").finish(), .algorithm = "sha512"};
    const auto descriptor = layout.image({{layer, {TarBuilder().file("etc/y", "y").finish()}}});
    layout.tag("v1", descriptor);
    const auto answer = [&](const ServerRequest& request) -> ServerReply {
        const auto name = request.target.substr(request.target.rfind('/') + 1);
        const auto path = layout.blob_path(name == "v1" ? digest_of(descriptor) : name);
        return {.headers = {{"Content-Type", "application/vnd.oci.image.manifest.v1+json"}},
                .body = read_file(path)};
    };
    ScriptServer server(answer);
    PullFixture fixture;
    const auto check = [&](const std::string& source) {
        fixture.pull(source);
        CHECK(fixture.read().at("/etc/x").sha256 == sha256("x").hex);
        CHECK(fixture.read().at("/etc/y").sha256 == sha256("y").hex);
        fixture.remove_staging();
    };
    check(layout.source("v1"));
    check(server.host() + "/app:v1");
    const auto blobs = std::filesystem::directory_iterator(dir.path() / "layout/blobs/sha512");
    const auto hex = blobs->path().filename().string();
    CHECK(read_file(fixture.cached_blob("sha512:" + hex)) == read_file(blobs->path()));
    const auto asked = server.requests().size();
    check(server.host() + "/app:v1");
    for (std::size_t i = asked; i < server.requests().size(); ++i)
        CHECK_FALSE(server.requests()[i].target.ends_with(hex));

    auto damaged = read_file(blobs->path());
    damaged.back() ^= 1;
    write_file(blobs->path(), damaged);
    CHECK_THAT(fixture.failure(layout.source("v1")).what(), ContainsSubstring("sha512:" + hex));
}
