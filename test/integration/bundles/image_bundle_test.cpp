#include <sys/stat.h>

#include <filesystem>

#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/json.hpp"
#include "test/integration/bundles/bundle_fixture.hpp"
#include "test/support/catch.hpp"
#include "test/support/script_server.hpp"
#include "test/support/tar_builder.hpp"

using namespace banger;
using namespace banger::test;
namespace fs = std::filesystem;

namespace {

std::uint64_t allocated(const std::string& path) {
    struct stat status{};
    ::stat(path.c_str(), &status);
    return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

const std::string kManifest = R"({"name":"box","arch":"x86_64"})";

}  // namespace

TEST_CASE("a bundle becomes the file system that went into it, by io_uring and without") {
    BundleFixture fixture;
    const auto rootfs = fixture.make_ext4();
    auto offer = fixture.offer(image_bundle(rootfs));
    for (const bool uring : {true, false}) {
        offer.uring = uring;
        const auto pulled = fixture.pull_image(offer);
        CHECK(pulled.manifest.kernel_ref == "k");
        CHECK(pulled.size == rootfs.size());
        CHECK(pulled.used_bytes < pulled.size);
        CHECK(read_file(fixture.staging() + "/rootfs.ext4") == rootfs);
        const auto record = parse_json(read_file(fixture.staging() + "/manifest.json"), "it");
        CHECK(record.at("digest").as_string() == "sha256:" + offer.sha256);
        fixture.remove_staging();
    }
}

TEST_CASE("zeros of a bundle take no room on the disk") {
    BundleFixture fixture;
    const auto rootfs = fixture.make_ext4(64u << 20);
    fixture.pull_image(fixture.offer(image_bundle(rootfs)));
    CHECK(fs::file_size(fixture.staging() + "/rootfs.ext4") == rootfs.size());
    CHECK(allocated(fixture.staging() + "/rootfs.ext4") <= allocated(fixture.path("made.ext4")));
    CHECK(read_file(fixture.staging() + "/rootfs.ext4", 128u << 20) == rootfs);
}

TEST_CASE("a sparse file of GNU tar keeps its holes, wherever they begin") {
    BundleFixture fixture;
    auto rootfs = fixture.make_ext4();
    // Data that begins and ends in the middle of blocks.
    rootfs.replace(6'000'001, 5, "hello");
    write_file_atomically(fixture.path("rootfs.ext4"), rootfs);
    write_file_atomically(fixture.path("manifest.json"), kManifest);
    for (const std::string format : {"gnu", "posix"}) {
        const auto tar = "cd '" + fixture.path("") +
                         "' && fallocate -d rootfs.ext4 && tar --sparse " + "--format=" + format +
                         " -cf t.tar rootfs.ext4 manifest.json";
        REQUIRE(std::system(tar.c_str()) == 0);
        const auto bundle = read_file(fixture.path("t.tar"));
        CHECK(bundle.size() < rootfs.size());
        fixture.pull_image(fixture.offer(zstd(bundle)));
        CHECK(read_file(fixture.staging() + "/rootfs.ext4") == rootfs);
        fixture.remove_staging();
    }
}

TEST_CASE("a download that is cut goes on where it was") {
    BundleFixture fixture;
    const auto rootfs = fixture.make_ext4();
    const auto bytes = image_bundle(rootfs);
    int requests = 0;
    ScriptServer server([&](const ServerRequest& request) {
        ServerReply reply{.view = bytes};
        if (++requests == 1) {
            reply.cut_after = bytes.size() / 2;
        } else if (request.has("range")) {
            const auto from = std::stoull(request.headers.at("range").substr(6));
            reply.status = 206;
            reply.headers = {{"Content-Range", "bytes " + std::to_string(from) + "-" +
                                                   std::to_string(bytes.size() - 1) + "/" +
                                                   std::to_string(bytes.size())}};
            reply.view = std::string_view(bytes).substr(from);
        }
        return reply;
    });
    fixture.pull_image(fixture.offer_at("http://" + server.host() + "/x.tar.zst", bytes));
    CHECK(read_file(fixture.staging() + "/rootfs.ext4") == rootfs);
    CHECK(requests == 2);
    CHECK(server.bytes_sent() < bytes.size() + bytes.size() / 2);
}

TEST_CASE("a server without ranges is asked for all of it again") {
    BundleFixture fixture;
    const auto bytes = image_bundle(fixture.make_ext4());
    int requests = 0;
    ScriptServer server([&](const ServerRequest&) {
        ServerReply reply{.view = bytes};
        if (++requests == 1) reply.cut_after = bytes.size() / 2;
        return reply;
    });
    fixture.pull_image(fixture.offer_at("http://" + server.host() + "/x", bytes));
    CHECK(requests == 2);
}

TEST_CASE("a server that is not up to it is given up, and nothing stays") {
    BundleFixture fixture;
    const auto bytes = image_bundle(fixture.make_ext4());
    const auto failure = [&](ServerReply reply) {
        ScriptServer server([&](const ServerRequest&) { return reply; });
        return fixture.image_failure(fixture.offer_at("http://" + server.host() + "/x", bytes));
    };
    CHECK(failure({.status = 404}).code() == Errc::not_found);
    CHECK(failure({.status = 403}).code() == Errc::invalid_argument);
    CHECK(failure({.status = 503}).code() == Errc::unavailable);
    CHECK(failure({.view = bytes, .cut_after = 10}).code() == Errc::unavailable);
    CHECK(failure({.view = std::string_view(bytes).substr(1)}).code() == Errc::digest_mismatch);
    CHECK(failure({.body = bytes + "more"}).code() == Errc::digest_mismatch);
    auto wrong = bytes;
    wrong[wrong.size() / 2] ^= 1;
    CHECK(failure({.body = wrong}).code() == Errc::digest_mismatch);
}

TEST_CASE("no byte of a bundle can be changed") {
    BundleFixture fixture;
    const auto bytes = image_bundle(fixture.make_ext4());
    const auto offer = fixture.offer(bytes);
    // The frame's header, blocks in between, its end.
    for (const std::size_t at :
         {std::size_t{0}, std::size_t{4}, std::size_t{9}, bytes.size() / 4, bytes.size() / 2,
          bytes.size() * 3 / 4, bytes.size() - 5, bytes.size() - 1}) {
        auto changed = bytes;
        changed[at] = static_cast<char>(changed[at] ^ 4);
        write_file_atomically(fixture.path("x.tar.zst"), changed);
        INFO("byte " << at);
        CHECK(fixture.image_failure(offer).code() == Errc::digest_mismatch);
    }
    write_file_atomically(fixture.path("x.tar.zst"), bytes.substr(0, bytes.size() - 1));
    CHECK(fixture.image_failure(offer).code() == Errc::digest_mismatch);
    write_file_atomically(fixture.path("x.tar.zst"), bytes + "x");
    CHECK(fixture.image_failure(offer).code() == Errc::digest_mismatch);
}

TEST_CASE("a bundle that was built wrong is refused by what is wrong with it") {
    BundleFixture fixture;
    const auto rootfs = fixture.make_ext4();
    const auto refused = [&](const std::string& bytes) {
        const auto error = fixture.image_failure(fixture.offer(bytes));
        CHECK(error.code() == Errc::invalid_argument);
        CHECK_THAT(error.what(), ContainsSubstring("box"));
        return std::string(error.what());
    };
    const auto tar = [&] {
        return TarBuilder().file("rootfs.ext4", rootfs).file("manifest.json", kManifest);
    };
    CHECK_THAT(refused(zstd(tar().file("extra", "x").finish())), ContainsSubstring("'extra'"));
    CHECK_THAT(refused(zstd(tar().dir("a").finish())), ContainsSubstring("nothing else"));
    CHECK_THAT(refused(zstd(tar().file("rootfs.ext4", rootfs).finish())),
               ContainsSubstring("twice"));
    CHECK_THAT(refused(zstd(tar().file("manifest.json", kManifest).finish())),
               ContainsSubstring("twice"));
    CHECK_THAT(refused(zstd(TarBuilder().file("manifest.json", kManifest).finish())),
               ContainsSubstring("no rootfs.ext4"));
    CHECK_THAT(refused(zstd(TarBuilder().file("rootfs.ext4", rootfs).finish())),
               ContainsSubstring("no manifest.json"));
    for (const std::string name : {"./rootfs.ext4", "/rootfs.ext4", "a/../rootfs.ext4",
                                   "ROOTFS.EXT4", "../rootfs.ext4", "rootfs.ext4/"}) {
        INFO(name);
        CHECK_THAT(refused(zstd(
                       TarBuilder().file(name, rootfs).file("manifest.json", kManifest).finish())),
                   ContainsSubstring("nothing else"));
    }
    CHECK_THAT(refused(zstd(TarBuilder().symlink("rootfs.ext4", "/etc/shadow").finish())),
               ContainsSubstring("no regular file"));
    CHECK_THAT(refused(zstd(TarBuilder().hard_link("rootfs.ext4", "manifest.json").finish())),
               ContainsSubstring("no regular file"));
    CHECK_THAT(refused(zstd(TarBuilder().device("rootfs.ext4", '4', 8, 0).finish())),
               ContainsSubstring("no regular file"));
}

TEST_CASE("a bundle whose file system is none is refused by what it is") {
    BundleFixture fixture;
    const auto refused = [&](const std::string& rootfs) {
        return std::string(fixture.image_failure(fixture.offer(image_bundle(rootfs))).what());
    };
    CHECK_THAT(refused(TarBuilder().file("etc/passwd", std::string(9000, 'x')).finish()),
               ContainsSubstring("it is a tar"));
    CHECK_THAT(refused(""), ContainsSubstring("it is empty"));
    CHECK_THAT(refused(std::string(1 << 20, 'x')), ContainsSubstring("no superblock"));
    CHECK_THAT(refused(std::string(1 << 20, '\0')), ContainsSubstring("no superblock"));
    const auto rootfs = fixture.make_ext4();
    CHECK_THAT(refused(rootfs.substr(0, rootfs.size() / 2)), ContainsSubstring("is cut short"));
    auto damaged = rootfs;
    damaged[1024 + 4] ^= 1;  // the count of blocks, which the superblock's checksum covers
    CHECK_THAT(refused(damaged), ContainsSubstring("no ext4 file system"));
    auto dirty = rootfs;
    dirty[1024 + 0x60] |= 4;  // INCOMPAT_RECOVER
    CHECK(fixture.image_failure(fixture.offer(image_bundle(dirty))).code() ==
          Errc::invalid_argument);
}

TEST_CASE("a manifest that is none is refused") {
    BundleFixture fixture;
    const auto rootfs = fixture.make_ext4();
    const auto refused = [&](const std::string& manifest) {
        return fixture.image_failure(fixture.offer(image_bundle(rootfs, manifest)));
    };
    CHECK(refused("not json").code() == Errc::invalid_argument);
    CHECK(refused("[]").code() == Errc::invalid_argument);
    CHECK(refused(R"({"arch":"x86_64"})").code() == Errc::invalid_argument);
    CHECK(refused(R"({"name":"box","arch":"aarch64"})").code() == Errc::unsupported);
    CHECK_THAT(refused(R"({"name":")" + std::string(2 << 20, 'x') + R"("})").what(),
               ContainsSubstring("larger than 1 MiB"));
}

TEST_CASE("a frame that is cut, a tar that is cut, and sizes that are lies are refused") {
    BundleFixture fixture;
    const auto rootfs = fixture.make_ext4();
    const auto whole = image_bundle(rootfs);
    // Offered as what they are: the hash is right, the content is not.
    for (const auto& bytes : {whole.substr(0, whole.size() - 4), whole.substr(0, whole.size() / 2),
                              whole.substr(0, 3), std::string("x"), whole + "junk"}) {
        CHECK(fixture.image_failure(fixture.offer(bytes)).code() == Errc::invalid_argument);
    }
    const TarEntry entry{.path = "rootfs.ext4", .content = {}, .link = {}};
    for (const std::uint64_t size :
         {std::uint64_t{1} << 40, std::uint64_t{1} << 62, ~std::uint64_t{0} >> 1}) {
        const auto header = TarBuilder::header(entry, size);
        INFO(size);
        CHECK(fixture.image_failure(fixture.offer(zstd(header + rootfs))).code() ==
              Errc::invalid_argument);
    }
    const auto header = TarBuilder::header(entry, rootfs.size());
    CHECK(fixture.image_failure(fixture.offer(zstd(header + rootfs.substr(0, 5000)))).code() ==
          Errc::invalid_argument);
}

TEST_CASE("a file that is gone, a directory and a fifo are refused") {
    BundleFixture fixture;
    auto offer = fixture.offer(image_bundle(fixture.make_ext4()));
    fs::remove(fixture.path("x.tar.zst"));
    CHECK(fixture.image_failure(offer).code() == Errc::not_found);
    fs::create_directory(fixture.path("x.tar.zst"));
    CHECK(fixture.image_failure(offer).code() == Errc::invalid_argument);
    fs::remove(fixture.path("x.tar.zst"));
    REQUIRE(::mkfifo(fixture.path("x.tar.zst").c_str(), 0600) == 0);
    CHECK(fixture.image_failure(offer).code() == Errc::invalid_argument);
}
