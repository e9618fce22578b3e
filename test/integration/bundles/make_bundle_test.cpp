#include <cstdlib>
#include <filesystem>

#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/json.hpp"
#include "test/integration/bundles/bundle_fixture.hpp"
#include "test/support/catch.hpp"
#include "test/support/ext4_reader.hpp"
#include "test/support/tar_builder.hpp"

using namespace banger;
using namespace banger::test;
namespace fs = std::filesystem;

namespace {

/// What `banger-make-bundle --json` prints.
struct Made {
    std::string path, sha256;
    std::uint64_t size = 0;
};

struct Maker {
    BundleFixture fixture;

    std::string tar() const {
        return TarBuilder()
            .dir("./")
            .dir("./etc")
            .file("./etc/hostname", "box\n", 0640)
            .file("big", std::string(3'000'000, 'b'))
            .symlink("link", "etc/hostname")
            .device("null", '3', 1, 3)
            .finish();
    }
    /// The exit status; `out` gets what was printed.
    int run(const std::string& options, std::string* out = nullptr) const {
        const auto log = fixture.path("out");
        const auto command = std::string(MAKE_BUNDLE) + " --json --level 1 --name box " + options +
                             " > '" + log + "' 2>&1";
        const int status = std::system(command.c_str());
        if (out) *out = read_file(log);
        return status;
    }
    Made make(const std::string& options) const {
        std::string out;
        const int status = run(options, &out);
        INFO(out);
        REQUIRE(status == 0);
        const auto json = parse_json(out, "what was printed");
        return {std::string(json.at("path").as_string()),
                std::string(json.at("sha256").as_string()),
                json.at("size").to_number<std::uint64_t>()};
    }
};

}  // namespace

TEST_CASE("a tar becomes a bundle that pulls into the same files") {
    Maker maker;
    write_file_atomically(maker.fixture.path("root.tar"), maker.tar());
    const auto made =
        maker.make("--kernel-ref k --distro debian --size 64 --out '" + maker.fixture.path("dist") +
                   "' --rootfs-tar '" + maker.fixture.path("root.tar") + "'");
    const auto bytes = read_file(made.path);
    CHECK(sha256(bytes).hex == made.sha256);
    CHECK(bytes.size() == made.size);
    CHECK(fs::path(made.path).filename() == "box-x86_64-" + made.sha256.substr(0, 12) + ".tar.zst");
    CHECK(std::distance(fs::directory_iterator(maker.fixture.path("dist")), {}) == 1);

    const auto pulled = maker.fixture.pull_image(maker.fixture.offer(bytes));
    CHECK(pulled.manifest.name == "box");
    CHECK(pulled.manifest.kernel_ref == "k");
    CHECK(pulled.manifest.distribution == "debian");
    CHECK(pulled.size == 64u << 20);
    const auto rootfs = maker.fixture.staging() + "/rootfs.ext4";
    CHECK(check_e2fsck(rootfs) == "");
    const auto files = read_ext4(rootfs);
    CHECK(files.find("/etc/hostname")->mode == 0640);
    CHECK(files.find("/null") != nullptr);
}

TEST_CASE("the same tar makes the same bundle, from a file, a pipe, or compressed") {
    Maker maker;
    const auto tar = maker.fixture.path("root.tar");
    write_file_atomically(tar, maker.tar());
    const auto options = "--size 64M --out '" + maker.fixture.path("dist") + "' --rootfs-tar ";
    const auto first = maker.make(options + "'" + tar + "'");
    const auto bytes = read_file(first.path);
    fs::remove(first.path);
    REQUIRE(std::system(("gzip -k '" + tar + "'").c_str()) == 0);
    for (const std::string& source : {"- < '" + tar + "'", "'" + tar + ".gz'"}) {
        const auto again = maker.make(options + source);
        CHECK(again.sha256 == first.sha256);
        CHECK(read_file(again.path) == bytes);
        fs::remove(again.path);
    }
}

TEST_CASE("what cannot become a bundle is refused in a sentence, and nothing stays") {
    Maker maker;
    const auto out = maker.fixture.path("dist");
    const auto refused = [&](const std::string& content) {
        write_file_atomically(maker.fixture.path("bad.tar"), content);
        std::string said;
        CHECK(maker.run("--out '" + out + "' --rootfs-tar '" + maker.fixture.path("bad.tar") + "'",
                        &said) != 0);
        CHECK(fs::is_empty(out));
        return said;
    };
    CHECK_THAT(refused(""), ContainsSubstring("holds no files"));
    CHECK_THAT(refused("no tar at all" + std::string(1000, '.')), ContainsSubstring("banger: "));
    CHECK_THAT(refused(maker.tar().substr(0, 4000)), ContainsSubstring("cut short"));
    CHECK_THAT(refused(TarBuilder().file("../x", "x").finish()), ContainsSubstring("../x"));
    CHECK(maker.run("--out '" + out + "'") != 0);
    CHECK(maker.run("--out '" + out + "' --rootfs-tar a --oci b") != 0);
}
