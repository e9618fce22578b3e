#include <sys/stat.h>
#include <unistd.h>

#include <chrono>

#include "pipelines/io/error.hpp"
#include "test/support/catch.hpp"
#include "test/unit/image/image_builder.hpp"

using namespace banger;
using namespace banger::test;

TEST_CASE("an empty disk of any size is clean, sparse and made at once") {
    std::uint64_t mib = 1 << 20;
    for (std::uint64_t size :
         {16 * mib, 128 * mib, 129 * mib, 1024 * mib, 8192 * mib, 102400 * mib}) {
        TempDir directory;
        std::string path = directory / "disk.ext4";
        auto start = std::chrono::steady_clock::now();
        image::make_empty_ext4_blocking(path, size, {});
        auto took = std::chrono::steady_clock::now() - start;
        // Generous: a loaded machine syncs slowly. Zeroing the tables of 100 GiB would take far
        // longer.
        CHECK(took < std::chrono::seconds(2));
        CHECK(check_e2fsck(path) == "");
        struct stat status{};
        REQUIRE(::stat(path.c_str(), &status) == 0);
        CHECK(status.st_blocks * 512 < 24 << 20);
        CHECK(static_cast<std::uint64_t>(status.st_size) <= size);
        CHECK(static_cast<std::uint64_t>(status.st_size) >= size - 4 * mib);
        CHECK(read_ext4(path).entries.size() == 2);
    }
}

TEST_CASE("an empty disk does not replace a file") {
    TempDir directory;
    image::make_empty_ext4_blocking(directory / "disk", 64 << 20, {});
    try {
        image::make_empty_ext4_blocking(directory / "disk", 64 << 20, {});
        FAIL("no error");
    } catch (const Error& error) {
        CHECK(error.code() == Errc::already_exists);
    }
}

TEST_CASE("a disk too small for ext4 leaves no file") {
    TempDir directory;
    CHECK_THROWS_AS(image::make_empty_ext4_blocking(directory / "disk", 4096, {}), Error);
    CHECK(::access((directory / "disk").c_str(), F_OK) != 0);
}
