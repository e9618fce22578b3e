#include <fcntl.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "pipelines/image/registry/tar_index.hpp"
#include "pipelines/io/atomic_file.hpp"
#include "test/support/catch.hpp"
#include "test/support/oci_builder.hpp"
#include "test/support/pull_fixture.hpp"
#include "test/support/small_disk.hpp"
#include "test/support/tar_builder.hpp"

using namespace banger;
using namespace banger::test;

namespace {

namespace fs = std::filesystem;

std::string layer_tar(const std::string& text) {
    return TarBuilder().dir("etc").file("etc/text", text).file("etc/" + text, text).finish();
}

std::string hex_of(const std::string& bytes) {
    return sha256(bytes).hex;
}

std::string config_of(const std::vector<std::string>& tars) {
    std::string ids;
    for (const auto& tar : tars)
        ids += (ids.empty() ? "\"" : ",\"") + sha256(tar).to_string() + "\"";
    return R"({"architecture":"amd64","os":"linux","created":"2024-05-06T07:08:09Z",)"
           R"("config":{"Cmd":["/bin/sh"]},"rootfs":{"type":"layers","diff_ids":[)" +
           ids + "]}}";
}

std::string saved(const std::string& config, const std::string& tags, const std::string& layers) {
    return R"({"Config":")" + config + R"(","RepoTags":[)" + tags + R"(],"Layers":[)" + layers +
           "]}";
}

/// What `docker save` of old wrote: a directory for each layer, a link for a shared one.
struct SavedByDocker {
    std::string one = layer_tar("one");
    std::string two = layer_tar("two");
    std::string config = config_of({one, two});
    std::string manifest = "[" +
                           saved(hex_of(config) + ".json", R"("app:v1","other/app:v2")",
                                 R"("aa/layer.tar","bb/layer.tar")") +
                           "]";

    TarBuilder files() const {
        return TarBuilder()
            .dir("aa/")
            .file("aa/VERSION", "1.0")
            .file("aa/layer.tar", one)
            .dir("bb/")
            .file("bb/layer.tar", two)
            .file(hex_of(config) + ".json", config);
    }
    std::string tar() const { return files().file("manifest.json", manifest).finish(); }
};

struct Archives {
    TempDir dir;
    PullFixture fixture;

    std::string write(const std::string& bytes) const {
        write_file(dir / "image.tar", bytes);
        return "docker-archive:" + (dir / "image.tar");
    }
    /// The sentence that a pull of these bytes ends with; nothing may be left of it.
    std::string refusal(const std::string& bytes, Errc code = Errc::invalid_argument) {
        const auto error = fixture.failure(write(bytes));
        CHECK(error.code() == code);
        CHECK(fixture.leftovers().empty());
        const std::string what = error.what();
        CHECK(what.find('\n') == std::string::npos);
        return what;
    }
    std::string refusal_of_manifest(const std::string& manifest,
                                    Errc code = Errc::invalid_argument) {
        return refusal(SavedByDocker().files().file("manifest.json", manifest).finish(), code);
    }
    void check_tree() {
        const auto tree = fixture.read();
        CHECK(tree.at("/etc/text").sha256 == hex_of("two"));
        CHECK(tree.at("/etc/one").sha256 == hex_of("one"));
    }
};

bool has(const std::string& text, const std::string& part) {
    CAPTURE(text, part);
    CHECK(text.find(part) != std::string::npos);
    return true;
}

/// Output of a command without its last line break; throws when it fails.
std::string output_of(const std::string& command, const TempDir& dir) {
    const auto out = dir / "output";
    if (std::system((command + " >'" + out + "' 2>&1").c_str()) != 0) {
        throw std::runtime_error(command + ": " + read_file(out));
    }
    auto text = read_file(out);
    while (text.ends_with('\n'))
        text.pop_back();
    return text;
}

}  // namespace

TEST_CASE("what docker save wrote becomes an image, packed or not, with the same digest") {
    const SavedByDocker docker;
    std::vector<std::string> digests;
    for (const auto packing : {Packing::plain, Packing::gzip, Packing::zstd}) {
        Archives archives;
        const auto source = archives.write(pack(docker.tar(), packing));
        const auto pulled = archives.fixture.pull(source);
        archives.check_tree();
        CHECK(pulled.reference == source);
        CHECK(pulled.layers == 2);
        CHECK(pulled.config.cmd == std::vector<std::string>{"/bin/sh"});
        CHECK(archives.fixture.resolve(source) == pulled.digest);
        digests.push_back(pulled.digest.to_string() + archives.fixture.fingerprint());
        // Archives are here already: the cache is for what is not.
        CHECK_FALSE(fs::exists(archives.fixture.cache()));
    }
    CHECK(digests[1] == digests[0]);
    CHECK(digests[2] == digests[0]);
}

TEST_CASE("an image of several is chosen by any form of its name") {
    const SavedByDocker docker;
    const auto other = config_of({docker.two});
    const auto manifest =
        "[" +
        saved(hex_of(docker.config) + ".json", R"("app:v1")", R"("aa/layer.tar","bb/layer.tar")") +
        "," + saved(hex_of(other) + ".json", R"("quay.io/x/y:latest")", R"("bb/layer.tar")") + "]";
    const auto tar =
        docker.files().file(hex_of(other) + ".json", other).file("manifest.json", manifest);
    Archives archives;
    const auto source = archives.write(tar.finish());
    for (const auto* name : {":app:v1", ":docker.io/library/app:v1", ":docker.io/app:v1"}) {
        CHECK(archives.fixture.pull(source + name).layers == 2);
        archives.fixture.remove_staging();
    }
    CHECK(archives.fixture.pull(source + ":quay.io/x/y").layers == 1);
    archives.fixture.remove_staging();
    has(archives.fixture.failure(source + ":app:v3").what(),
        "no image docker.io/library/app:v3 in the archive");
    has(archives.fixture.failure(source).what(),
        "has several images (app:v1, quay.io/x/y:latest); write docker-archive:PATH:IMAGE");
}

TEST_CASE("a layer that an archive links to is followed within it, and nowhere else") {
    const SavedByDocker docker;
    for (const bool hard : {false, true}) {
        Archives archives;
        auto tar = TarBuilder().file("layers/two", docker.two).file("aa/layer.tar", docker.one);
        hard ? tar.hard_link("bb/layer.tar", "layers/two")
             : tar.symlink("bb/layer.tar", "../layers/two");
        tar.file(hex_of(docker.config) + ".json", docker.config);
        tar.file("manifest.json", docker.manifest);
        archives.fixture.pull(archives.write(tar.finish()));
        archives.check_tree();
    }
    for (const auto* target :
         {"/etc/passwd", "../../etc/passwd", "cc/layer.tar", "layer.tar", ""}) {
        Archives archives;
        auto tar = TarBuilder().file("aa/layer.tar", docker.one).symlink("bb/layer.tar", target);
        tar.file(hex_of(docker.config) + ".json", docker.config);
        tar.file("manifest.json", docker.manifest);
        has(archives.refusal(tar.finish()),
            "has a link 'bb/layer.tar' that leads to none of its files");
    }
}

TEST_CASE("compressed layers within an archive are verified too") {
    const SavedByDocker docker;
    const auto one = pack(docker.one, Packing::gzip);
    const auto two = pack(docker.two, Packing::zstd);
    const auto manifest = "[" +
                          saved("blobs/sha256/" + hex_of(docker.config), R"("app:v1")",
                                "\"blobs/sha256/" + hex_of(one) + R"(","two.tar.zst")") +
                          "]";
    const auto archive = [&](const std::string& first, const std::string& second) {
        return TarBuilder()
            .file("blobs/sha256/" + hex_of(one), first)
            .file("two.tar.zst", second)
            .file("blobs/sha256/" + hex_of(docker.config), docker.config)
            .file("manifest.json", manifest)
            .finish();
    };
    Archives archives;
    archives.fixture.pull(archives.write(archive(one, two)));
    archives.check_tree();
    archives.fixture.remove_staging();
    auto damaged = one;
    damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 1);
    has(archives.refusal(archive(damaged, two), Errc::digest_mismatch),
        "layer " + hex_of(one).substr(0, 12) + " is damaged");
    const auto wrong = pack(docker.one, Packing::zstd);
    has(archives.refusal(archive(one, wrong), Errc::digest_mismatch), "should unpack to");
}

TEST_CASE("a compressed layer that is listed many times is hashed once, or not at all") {
    constexpr std::size_t kTimes = 512;
    const auto source = [](const Archives& archives, std::size_t size) {
        std::string names = "\"x\"";
        for (std::size_t i = 1; i < kTimes; ++i)
            names += ",\"x\"";
        const auto config = config_of(std::vector<std::string>(kTimes, "one"));
        std::string layer(size, '\0');
        layer.replace(0, 3, "\x1f\x8b\x08");
        return archives.write(TarBuilder()
                                  .file("x", std::move(layer))
                                  .file("c.json", config)
                                  .file("manifest.json", "[" + saved("c.json", "", names) + "]")
                                  .finish());
    };
    // 30 and 32.5 GiB, were each looked at for itself.
    const auto begin = std::chrono::steady_clock::now();
    Archives archives;
    CHECK_NOTHROW(archives.fixture.resolve(source(archives, 60u << 20)));
    const auto error = archives.fixture.failure(source(archives, 65u << 20));
    CHECK(error.code() == Errc::unsupported);
    has(error.what(), "the image is larger than the limit of 32 GiB");
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(10));
}

TEST_CASE("an archive whose content is not what it says is refused") {
    const SavedByDocker docker;
    Archives archives;
    auto tar = TarBuilder().file("aa/layer.tar", docker.two).file("bb/layer.tar", docker.two);
    tar.file(hex_of(docker.config) + ".json", docker.config);
    tar.file("manifest.json", docker.manifest);
    has(archives.refusal(tar.finish(), Errc::digest_mismatch), "is damaged");

    auto renamed = TarBuilder().file("aa/layer.tar", docker.one).file("bb/layer.tar", docker.two);
    renamed.file(hex_of(docker.config) + ".json", docker.config + " ");
    renamed.file("manifest.json", docker.manifest);
    has(archives.refusal(renamed.finish(), Errc::digest_mismatch),
        "the image configuration should have the digest");
}

TEST_CASE("an archive that lacks something says what") {
    const SavedByDocker docker;
    Archives archives;
    const auto config = hex_of(docker.config) + ".json";
    has(archives.refusal(docker.files().finish()),
        "holds no image: it has neither manifest.json (docker save) nor index.json (OCI)");
    has(archives.refusal_of_manifest(
            "[" + saved(config, "", R"("aa/layer.tar","../../../etc/passwd")") + "]",
            Errc::not_found),
        "lacks the layer '../../../etc/passwd'");
    has(archives.refusal_of_manifest("[" + saved("none.json", "", "") + "]", Errc::not_found),
        "lacks the image configuration 'none.json'");
    has(archives.refusal_of_manifest("[" + saved(config, "", R"("aa/layer.tar")") + "]"),
        "lists 2 layers, the manifest 1");
    has(archives.refusal_of_manifest("[]", Errc::not_found), "has no image in it");
    has(archives.refusal_of_manifest("{}"), "expected an array");
    has(archives.refusal_of_manifest("[{\"Config\":7}]"), "manifest.json[0].Config");
    has(archives.refusal_of_manifest("[" + std::string(5 << 20, ' ') + "]"),
        "is larger than 4194304 bytes");
    has(archives.refusal_of_manifest(std::string(100'000, '[')), "manifest.json");
}

TEST_CASE("an archive that could be read in two ways is refused") {
    const SavedByDocker docker;
    Archives archives;
    auto twice = docker.files().file("manifest.json", docker.manifest);
    twice.file("./manifest.json", "[]");
    has(archives.refusal(twice.finish()), "has two entries called 'manifest.json'");
    auto layer = docker.files().file("manifest.json", docker.manifest);
    layer.symlink("bb/layer.tar", "../aa/layer.tar");
    has(archives.refusal(layer.finish()), "has two entries called 'bb/layer.tar'");
    for (const auto* name : {"../x", "/etc/x", "a/../../x", "a/.."}) {
        auto tar = docker.files().file(name, "x").file("manifest.json", docker.manifest);
        has(archives.refusal(tar.finish()), std::string("has an entry '") + name + "'");
    }
}

TEST_CASE("an archive that is cut short is refused wherever the cut is") {
    const SavedByDocker docker;
    const auto whole = docker.tar();
    Archives archives;
    for (std::size_t size = 0; size < whole.size() - 1024; size += 512) {
        CAPTURE(size);
        const auto error = archives.fixture.failure(archives.write(whole.substr(0, size + 200)));
        CHECK((error.code() == Errc::invalid_argument || error.code() == Errc::not_found));
    }
    const auto packed = pack(whole, Packing::gzip);
    has(archives.refusal(packed.substr(0, packed.size() / 2)), "cut short");
    has(archives.refusal("no tar at all, just some words"), "is no sound tar archive");
    has(archives.refusal(""), "the archive");
    CHECK(archives.fixture.leftovers().empty());
}

TEST_CASE("an archive of too many entries is refused") {
    const auto header = TarBuilder::header({.path = "x", .type = '5'}, 0);
    std::string bytes;
    for (std::size_t i = 0; i <= image::TarIndex::kMaxEntries; ++i)
        bytes += header;
    Archives archives;
    has(archives.refusal(pack(bytes, Packing::zstd), Errc::unsupported),
        "has more entries than the limit of 65536");
}

TEST_CASE("what is no regular file is no archive") {
    Archives archives;
    ::mkfifo((archives.dir / "pipe").c_str(), 0600);
    has(archives.fixture.failure("docker-archive:" + (archives.dir / "pipe")).what(),
        "is no regular file");
    has(archives.fixture.failure("oci-archive:" + archives.dir.path().string()).what(),
        "is no regular file");
    has(archives.fixture.failure("oci-archive:" + (archives.dir / "absent")).what(),
        archives.dir / "absent");
    has(archives.fixture.failure("docker-archive:-").what(), "no archive came with the request");
}

TEST_CASE("inflating an archive stops before the disk is full and leaves nothing") {
    const TempDir dir;
    const SmallDisk disk(dir.path(), "64m");
    if (!disk) {
        WARN("skipped: only root may mount a small file system");
        return;
    }
    const TempDir elsewhere;
    const auto tar = TarBuilder().file("manifest.json", std::string(200'000'000, 'x')).finish();
    write_file(elsewhere / "x.tar.zst", pack(tar, Packing::zstd));
    PullFixture fixture(dir.path());
    const auto before = fs::space(dir.path()).free;
    const auto error = fixture.failure("docker-archive:" + (elsewhere / "x.tar.zst"));
    CHECK(error.code() == Errc::no_space);
    CHECK(fs::space(dir.path()).free == before);
    CHECK(fixture.leftovers().empty());
}

TEST_CASE("what skopeo writes is read, and has the digest that skopeo gives it") {
    const TempDir dir;
    OciBuilder layout(dir / "layout");
    layout.tag("v1", layout.image({{{layer_tar("one")}, {layer_tar("two")}, {layer_tar("one")}}}));
    const auto oci = dir / "oci.tar";
    const auto docker = dir / "docker.tar";
    const std::string copy = "skopeo --insecure-policy copy -q '" + layout.source("v1") + "' ";
    output_of(copy + "'oci-archive:" + oci + ":v1'", dir);
    output_of(copy + "'docker-archive:" + docker + ":app:v1'", dir);
    const auto digest_by_skopeo = [&](const std::string& source) {
        return output_of("skopeo inspect --format '{{.Digest}}' '" + source + "'", dir);
    };
    std::vector<std::string> trees;
    for (const auto& source :
         {"oci-archive:" + oci, "oci-archive:" + oci + ":v1", "docker-archive:" + docker,
          "docker-archive:" + docker + ":app:v1"}) {
        CAPTURE(source);
        PullFixture fixture;
        const auto pulled = fixture.pull(source);
        CHECK(pulled.digest.to_string() == digest_by_skopeo(source));
        const auto tree = fixture.read();
        CHECK(tree.at("/etc/text").sha256 == hex_of("one"));
        CHECK(tree.at("/etc/two").sha256 == hex_of("two"));
    }
    PullFixture fixture;
    has(fixture.failure("oci-archive:" + oci + ":v2").what(),
        "no image tagged 'v2' in the archive");
    has(fixture.failure("docker-archive:" + oci).what(), "write oci-archive:");
    has(fixture.failure("oci-archive:" + docker).what(), "write docker-archive:");
}

TEST_CASE("an archive with both layouts is read by either, long names and all") {
    const TempDir dir;
    const SavedByDocker docker;
    OciBuilder layout(dir / "layout");
    const auto descriptor = layout.image({{{docker.one}, {docker.two}}});
    layout.tag("v1", descriptor);
    // As docker writes since it can: blobs, index.json and a manifest.json that names them. GNU
    // tar and pax have headers of their own for what is long or odd.
    std::string layers;
    for (const auto& tar : {docker.one, docker.two}) {
        layers += (layers.empty() ? "\"" : ",\"") + std::string("blobs/sha256/") +
                  hex_of(pack(tar, Packing::gzip)) + "\"";
    }
    write_file(layout.blob_path(sha256(docker.config).to_string()), docker.config);
    write_file(layout.path() + "/manifest.json",
               "[" + saved("blobs/sha256/" + hex_of(docker.config), R"("app:v1")", layers) + "]");
    write_file(layout.path() + "/" + std::string(200, 'n'), "long");
    write_file(layout.path() + "/\xc3\xa4\xff", "odd");
    for (const auto* format : {"gnu", "pax", "oldgnu"}) {
        CAPTURE(format);
        const auto path = dir / (std::string(format) + ".tar");
        output_of("tar --format=" + std::string(format) + " -cf '" + path + "' -C '" +
                      layout.path() + "' .",
                  dir);
        for (const auto& source : {"oci-archive:" + path, "docker-archive:" + path}) {
            PullFixture fixture;
            const auto pulled = fixture.pull(source);
            if (source.starts_with("oci")) {
                CHECK(pulled.digest.to_string() == digest_of(descriptor));
            }
            CHECK(fixture.read().at("/etc/text").sha256 == hex_of("two"));
        }
    }
}

TEST_CASE("a blob of an OCI archive that is a link is refused") {
    const TempDir dir;
    OciBuilder layout(dir / "layout");
    const auto tar = layer_tar("one");
    layout.tag("v1", layout.image({{{tar}}}));
    const auto blob = layout.blob_path(sha256(pack(tar, Packing::gzip)).to_string());
    fs::rename(blob, layout.path() + "/elsewhere");
    fs::create_symlink("../../elsewhere", blob);
    output_of("tar -cf '" + (dir / "x.tar") + "' -C '" + layout.path() + "' .", dir);
    PullFixture fixture;
    const auto error = fixture.failure("oci-archive:" + (dir / "x.tar"));
    CHECK(error.code() == Errc::not_found);
    has(error.what(), "lacks the blob sha256:");
}
