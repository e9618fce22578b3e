#include <filesystem>

#include "pipelines/io/atomic_file.hpp"
#include "test/support/catch.hpp"
#include "test/support/oci_builder.hpp"
#include "test/support/pull_fixture.hpp"
#include "test/support/registry_process.hpp"
#include "test/support/served_image.hpp"
#include "test/support/tar_builder.hpp"

using namespace banger;
using namespace banger::test;

namespace {

ImageSpec two_layers(const std::string& architecture = "amd64") {
    return {.layers = {{TarBuilder()
                            .dir("etc")
                            .file("etc/arch", architecture)
                            .file("etc/gone", "gone")
                            .file("big", noise(2'000'000, 1))
                            .finish()},
                       {TarBuilder().file("etc/.wh.gone", "").hard_link("big2", "big").finish()}},
            .architecture = architecture};
}

/// A registry with one image in it, and what pulls from it.
struct Remote {
    TempDir dir;
    OciBuilder layout{dir / "layout"};
    RegistryProcess registry;
    PullFixture fixture;

    std::string push(const std::string& descriptor, const std::string& name,
                     const std::string& options = "") {
        layout.tag(name, descriptor);
        registry.push(layout.source(name), "app:" + name, options);
        return registry.host() + "/app:" + name;
    }
};

}  // namespace

TEST_CASE("an image comes from a registry, gzip or zstd, and its blobs stay in the cache", "[R1]") {
    Remote remote;
    const auto descriptor = remote.layout.image(two_layers());
    const auto gzip = remote.push(descriptor, "gzip");
    const auto zstd =
        remote.push(descriptor, "zstd", "--dest-compress-format zstd --dest-compress");
    for (const auto& reference : {gzip, zstd}) {
        CAPTURE(reference);
        const auto pulled = remote.fixture.pull(reference);
        CHECK(pulled.reference == reference);
        CHECK(pulled.layers == 2);
        CHECK(remote.fixture.resolve(reference) == pulled.digest);
        const auto fs = remote.fixture.read();
        CHECK(fs.at("/etc/arch").sha256 == sha256("amd64").hex);
        CHECK_FALSE(fs.find("/etc/gone"));
        CHECK(fs.at("/big").sha256 == sha256(noise(2'000'000, 1)).hex);
        CHECK(fs.at("/big2").inode == fs.at("/big").inode);
        remote.fixture.remove_staging();
    }
    std::size_t blobs = 0;
    for (const auto& item : std::filesystem::recursive_directory_iterator(remote.fixture.cache())) {
        if (!item.is_regular_file()) continue;
        ++blobs;
        CHECK(sha256_file_blocking(item.path()).hex == item.path().filename());
    }
    CHECK(blobs >= 2);
    CHECK(remote.fixture.leftovers().empty());
}

TEST_CASE("a layout and a registry give the same bytes for the same manifest") {
    Remote remote;
    const auto reference = remote.push(remote.layout.image(two_layers()), "v1");
    remote.fixture.pull(reference);
    const auto from_registry = remote.fixture.fingerprint();
    remote.fixture.remove_staging();
    remote.fixture.pull(reference, {.uring = false});
    CHECK(remote.fixture.fingerprint() == from_registry);
    remote.fixture.remove_staging();
    remote.fixture.pull(remote.layout.source("v1"));
    CHECK(remote.fixture.fingerprint() == from_registry);
}

TEST_CASE("linux/amd64 is taken out of an index, and a nested one", "[R17]") {
    Remote remote;
    const auto arm = remote.layout.image(two_layers("arm64"));
    const auto amd = remote.layout.image(two_layers());
    const auto nested = remote.layout.index({remote.layout.index({arm, amd})});
    for (const auto& [name, index] :
         {std::pair{"flat", remote.layout.index({arm, amd})}, std::pair{"nested", nested}}) {
        remote.layout.tag(name, index);
        const auto pulled = remote.fixture.pull(remote.layout.source(name));
        CHECK(pulled.digest.to_string() == digest_of(amd));
        CHECK(remote.fixture.read().at("/etc/arch").sha256 == sha256("amd64").hex);
        remote.fixture.remove_staging();
    }
    remote.registry.push(remote.layout.source("flat"), "app:flat");
    const auto pulled = remote.fixture.pull(remote.registry.host() + "/app:flat");
    CHECK(pulled.digest.to_string() == digest_of(amd));
    remote.fixture.remove_staging();
    const auto by_digest = remote.fixture.pull(remote.registry.host() + "/app@" + digest_of(amd));
    CHECK(by_digest.digest.to_string() == digest_of(amd));
}

TEST_CASE("an image for other platforms is refused with those it is for", "[R17]") {
    Remote remote;
    const auto arm = remote.layout.image(two_layers("arm64"));
    remote.layout.tag("index",
                      remote.layout.index({arm, remote.layout.image(two_layers("s390x"))}));
    remote.layout.tag("plain", arm);
    auto error = remote.fixture.failure(remote.layout.source("index"));
    CHECK(error.code() == Errc::unsupported);
    CHECK(std::string(error.what())
              .ends_with("has no image for linux/amd64; it has linux/arm64, linux/s390x"));
    error = remote.fixture.failure(remote.layout.source("plain"));
    CHECK(error.code() == Errc::unsupported);
    CHECK(remote.fixture.leftovers().empty());
}

TEST_CASE("an unknown tag is named, with the nearest one that exists") {
    Remote remote;
    remote.push(remote.layout.image(two_layers()), "bookworm");
    auto error = remote.fixture.failure(remote.registry.host() + "/app:bokworm");
    CHECK(error.code() == Errc::not_found);
    CHECK(error.what() == "no image " + remote.registry.host() +
                              "/app:bokworm in the registry; did you mean 'bookworm'?");
    error = remote.fixture.failure(remote.registry.host() + "/nothing:x");
    CHECK(error.code() == Errc::not_found);
    const auto digest = "@sha256:" + std::string(64, 'a');
    CHECK(remote.fixture.failure(remote.registry.host() + "/app" + digest).code() ==
          Errc::not_found);
    CHECK(remote.fixture.leftovers().empty());
}

TEST_CASE("a registry that is down is named in the error") {
    PullFixture fixture;
    const auto host = "127.0.0.1:" + std::to_string(free_port());
    const auto error = fixture.failure(host + "/app:v1");
    CHECK(error.code() == Errc::unavailable);
    CHECK(std::string(error.what()).find(host) != std::string::npos);
    CHECK(fixture.leftovers().empty());
}

TEST_CASE("a blob that the registry has damaged is refused, and nothing of it is kept") {
    Remote remote;
    const auto spec = two_layers();
    const auto reference = remote.push(remote.layout.image(spec), "v1");
    const auto digest = sha256(pack(spec.layers[0].tar, Packing::gzip)).to_string();
    const auto path = remote.registry.blob_path(digest);
    const auto good = read_file(path);
    for (const std::size_t at : {std::size_t{20}, good.size() / 2, good.size() - 1}) {
        auto bad = good;
        bad[at] = static_cast<char>(bad[at] ^ 0x10);
        write_file(path, bad);
        const auto error = remote.fixture.failure(reference);
        CHECK(error.code() == Errc::digest_mismatch);
        CHECK(std::string(error.what()).find(digest.substr(7, 12)) != std::string::npos);
        CHECK(remote.fixture.leftovers().empty());
        CHECK_FALSE(std::filesystem::exists(remote.fixture.cached_blob(digest)));
    }
    write_file(path, good);
    CHECK_NOTHROW(remote.fixture.pull(reference));
}

TEST_CASE("a damaged or short copy in the cache is replaced, not trusted") {
    Remote remote;
    const auto spec = two_layers();
    const auto reference = remote.push(remote.layout.image(spec), "v1");
    const auto digest = sha256(pack(spec.layers[0].tar, Packing::gzip)).to_string();
    remote.fixture.pull(reference);
    const auto right = remote.fixture.fingerprint();
    const auto copy = remote.fixture.cached_blob(digest);
    const auto good = read_file(copy);
    auto flipped = good;
    flipped[good.size() / 2] = static_cast<char>(flipped[good.size() / 2] ^ 1);
    for (const auto& bad : {flipped, good.substr(0, 100), std::string()}) {
        write_file(copy, bad);
        remote.fixture.remove_staging();
        remote.fixture.pull(reference);
        CHECK(remote.fixture.fingerprint() == right);
        CHECK(read_file(copy) == good);
    }
    // With a good copy the registry's own is not asked for.
    std::filesystem::remove(remote.registry.blob_path(digest));
    remote.fixture.remove_staging();
    CHECK_NOTHROW(remote.fixture.pull(reference));
}
