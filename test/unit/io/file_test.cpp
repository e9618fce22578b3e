#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/digest.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/log.hpp"
#include "test/support/catch.hpp"
#include "test/support/temp_dir.hpp"

using namespace banger;
using banger::test::TempDir;

namespace {

std::size_t entries_in(const TempDir& dir) {
    std::filesystem::directory_iterator begin(dir.path());
    return static_cast<std::size_t>(std::distance(begin, {}));
}

}  // namespace

TEST_CASE("an atomic file is not seen before it is published") {
    TempDir dir;
    AtomicFile file(dir / "name", 0600);
    file.write("hello");
    CHECK_FALSE(std::filesystem::exists(dir / "name"));

    file.publish_blocking();

    CHECK(read_file(dir / "name") == "hello");
    CHECK(entries_in(dir) == 1);
    struct stat info{};
    REQUIRE(::stat((dir / "name").c_str(), &info) == 0);
    CHECK((info.st_mode & 0777u) == 0600u);
}

TEST_CASE("an atomic file that is not published leaves nothing and changes nothing") {
    TempDir dir;
    write_file_atomically(dir / "name", "old");

    {
        AtomicFile file(dir / "name");
        file.write("new");
        CHECK(entries_in(dir) == 2);
    }

    CHECK(entries_in(dir) == 1);
    CHECK(read_file(dir / "name") == "old");
}

TEST_CASE("publishing replaces the file of that name") {
    TempDir dir;
    write_file_atomically(dir / "name", "a longer old text");
    write_file_atomically(dir / "name", "new");

    CHECK(read_file(dir / "name") == "new");
}

TEST_CASE("a temporary file can be known by its name") {
    TempDir dir;
    AtomicFile file(dir / "name");

    const auto entry = *std::filesystem::directory_iterator(dir.path());

    CHECK(entry.path().filename().string().rfind("name.tmp-", 0) == 0);
}

TEST_CASE("an atomic file in a missing directory names it") {
    TempDir dir;

    CHECK_THROWS_WITH(write_file_atomically(dir / "no/name", "x"),
                      test::ContainsSubstring("no/name.tmp-"));
}

TEST_CASE("read_file keeps to its limit") {
    TempDir dir;
    write_file_atomically(dir / "name", std::string(100, 'x'));

    CHECK(read_file(dir / "name", 100).size() == 100);
    CHECK_THROWS_WITH(read_file(dir / "name", 99), test::ContainsSubstring("larger than 99 bytes"));
    CHECK_THROWS_AS(read_file(dir / "other"), Error);
}

TEST_CASE("digests are those of the standard") {
    CHECK(sha256("abc").to_string() ==
          "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");

    Hasher hasher("sha512");
    hasher.update("a");
    hasher.update("bc");
    CHECK(hasher.finish().hex ==
          "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
          "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
}

TEST_CASE("the digest of a file is that of its bytes") {
    TempDir dir;
    const std::string text(3'000'000, 'x');
    write_file_atomically(dir / "name", text);

    CHECK(sha256_file_blocking(dir / "name") == sha256(text));
    CHECK_THROWS_WITH(sha256_file_blocking(dir / "other"), test::ContainsSubstring("other"));
}

TEST_CASE("a digest is parsed and printed") {
    const auto digest = sha256("abc");

    CHECK(parse_digest(digest.to_string()) == digest);
    CHECK(digest.short_hex() == "ba7816bf8f01");
}

TEST_CASE("what is not a digest is refused") {
    const std::string hex(64, 'a');
    CHECK_NOTHROW(parse_digest("sha256:" + hex));
    CHECK_THROWS_AS(parse_digest(hex), Error);
    CHECK_THROWS_AS(parse_digest("sha256:" + hex.substr(1)), Error);
    CHECK_THROWS_AS(parse_digest("sha256:" + hex + "a"), Error);
    CHECK_THROWS_AS(parse_digest("sha512:" + hex), Error);
    CHECK_THROWS_AS(parse_digest("md5:" + hex), Error);
    CHECK_THROWS_AS(parse_digest("sha256:" + std::string(64, 'A')), Error);
    CHECK_THROWS_AS(parse_digest("sha256:../" + hex.substr(3)), Error);
    CHECK_THROWS_AS(parse_digest("sha256:"), Error);
    CHECK_THROWS_AS(parse_digest(""), Error);
    CHECK_THROWS_AS(Hasher("md5"), Error);
}

TEST_CASE("an unknown log level is refused with the known ones") {
    CHECK_THROWS_WITH(setup_logging("loud"),
                      test::ContainsSubstring("use trace, debug, info, warn or error"));
    CHECK_NOTHROW(setup_logging("warn"));
}
