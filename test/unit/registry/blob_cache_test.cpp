#include "pipelines/image/blob_cache.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "pipelines/image/blobs_in_use.hpp"
#include "pipelines/image/image_record.hpp"
#include "pipelines/image/space_guard.hpp"
#include "pipelines/io/error.hpp"
#include "test/support/catch.hpp"
#include "test/support/temp_dir.hpp"

using namespace banger;
using namespace banger::image;

namespace {

Descriptor descriptor(const std::string& content) {
    return {.digest = sha256(content), .size = content.size()};
}

std::size_t files_below(const std::filesystem::path& path) {
    std::size_t count = 0;
    for (const auto& item : std::filesystem::recursive_directory_iterator(path))
        count += item.is_regular_file();
    return count;
}

void store(const BlobCache& cache, const std::string& content) {
    const auto writer = cache.begin(sha256(content));
    writer->write(std::as_bytes(std::span(content)));
    writer->keep();
}

}  // namespace

TEST_CASE("a blob that was kept is found under its digest") {
    const test::TempDir dir;
    const BlobCache cache(dir.path());
    CHECK_FALSE(cache.find(descriptor("hello")));
    store(cache, "hello");
    const auto file = cache.find(descriptor("hello"));
    REQUIRE(file);
    char text[8]{};
    CHECK(::read(file.get(), text, sizeof text) == 5);
    CHECK(std::string(text) == "hello");
    CHECK(std::filesystem::exists(dir.path() / "oci/blobs/sha256" / sha256("hello").hex));
}

TEST_CASE("a blob that was not kept leaves nothing behind") {
    const test::TempDir dir;
    const BlobCache cache(dir.path());
    {
        const auto writer = cache.begin(sha256("hello"));
        writer->write(std::as_bytes(std::span("hel", 3)));
        CHECK(files_below(dir.path()) == 1);
    }
    CHECK(files_below(dir.path()) == 0);
    CHECK_FALSE(cache.find(descriptor("hello")));
}

TEST_CASE("a blob that is discarded gives its space back at once") {
    const test::TempDir dir;
    const BlobCache cache(dir.path());
    const auto writer = cache.begin(sha256("hello"));
    writer->write(std::as_bytes(std::span("hel", 3)));
    writer->discard();
    CHECK(files_below(dir.path()) == 0);
}

TEST_CASE("a blob of the wrong size is thrown away") {
    const test::TempDir dir;
    const BlobCache cache(dir.path());
    store(cache, "hello");
    std::filesystem::resize_file(dir.path() / "oci/blobs/sha256" / sha256("hello").hex, 0);
    CHECK_FALSE(cache.find(descriptor("hello")));
    CHECK(files_below(dir.path()) == 0);
}

TEST_CASE("blobs are listed by their last use, and nothing else is") {
    const test::TempDir dir;
    const BlobCache cache(dir.path());
    CHECK(cache.list_blocking().empty());
    for (const auto* content : {"one", "two!", "three"}) {
        store(cache, content);
    }
    const auto half_made = cache.begin(sha256("half"));
    std::ofstream(dir / "oci/blobs/sha256/README") << "no blob";
    const auto blob_of = [&](const std::string& content) {
        return dir.path() / "oci/blobs/sha256" / sha256(content).hex;
    };
    // A clock may be coarse: the order is set, then one is used.
    const auto now = std::filesystem::file_time_type::clock::now();
    std::filesystem::last_write_time(blob_of("one"), now - std::chrono::hours(3));
    std::filesystem::last_write_time(blob_of("two!"), now - std::chrono::hours(2));
    std::filesystem::last_write_time(blob_of("three"), now - std::chrono::hours(1));
    CHECK(cache.find(descriptor("one")));
    const auto blobs = cache.list_blocking();
    REQUIRE(blobs.size() == 3);
    CHECK(blobs[0].digest == sha256("two!"));
    CHECK(blobs[0].size == 4);
    CHECK(blobs[1].digest == sha256("three"));
    CHECK(blobs[2].digest == sha256("one"));
    CHECK(blobs[2].used_at > blobs[1].used_at + std::chrono::minutes(30));
}

TEST_CASE("a blob is in use for as long as anybody holds it") {
    BlobsInUse in_use;
    const auto is_free = [&](const std::string& content) {
        return in_use.unless_used(sha256(content), [] {});
    };
    CHECK(is_free("a"));
    {
        auto first = in_use.hold({sha256("a"), sha256("b"), sha256("a")});
        CHECK_FALSE(is_free("a"));
        {
            const auto second = in_use.hold({sha256("b")});
            const auto moved = std::move(first);
            CHECK_FALSE(is_free("b"));
        }
        CHECK(is_free("a"));
        CHECK(is_free("b"));
    }
    CHECK(is_free("a"));
}

TEST_CASE("the space guard says what is missing") {
    const test::TempDir dir;
    CHECK_NOTHROW(SpaceGuard(dir.path()).check_blocking(0));
    try {
        SpaceGuard(dir.path()).check_blocking(1ull << 60);
        FAIL("nobody has an exbibyte");
    } catch (const Error& error) {
        CHECK(error.code() == Errc::no_space);
    }
    CHECK_THROWS_AS(SpaceGuard(dir / "absent").check_blocking(0), Error);
}

TEST_CASE("the file system's identity follows from the manifest alone") {
    const auto one = ext4_options_for(sha256("a"), "2024-05-06T07:08:09Z", 0);
    const auto same = ext4_options_for(sha256("a"), "2024-05-06T07:08:09Z", 0);
    const auto other = ext4_options_for(sha256("b"), "2024-05-06T07:08:09Z", 0);
    CHECK(one.uuid == same.uuid);
    CHECK(one.hash_seed == same.hash_seed);
    CHECK(one.uuid != other.uuid);
    CHECK(one.hash_seed != other.hash_seed);
    CHECK(one.time == 1714979289);
}

TEST_CASE("an image's date is read, and a senseless one replaced") {
    CHECK(creation_time("2024-05-06T07:08:09Z") == 1714979289);
    CHECK(creation_time("2024-05-06T09:08:09.123456789+02:00") == 1714979289);
    CHECK(creation_time("2024-05-06T00:08:09-07:00") == 1714979289);
    for (const auto* text : {"", "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "yesterday",
                             "2024-05-06", "2024-05-06T07:08:09", "9999-01-01T00:00:00Z"}) {
        CAPTURE(text);
        CHECK(creation_time(text) == 1577836800);
    }
}

TEST_CASE("what a writer has left is gone on with, in whole chunks, by one writer at a time") {
    const test::TempDir dir;
    const BlobCache cache(dir.path());
    std::string content(700'000, 'a');
    content[600'000] = 'b';
    const auto all = std::as_bytes(std::span(content));
    {
        const auto writer = cache.begin(sha256(content), content.size());
        CHECK(writer->resumed() == 0);
        writer->write(all.first(600'000));
        CHECK(cache.list_partials_blocking().empty());
        CHECK_FALSE(cache.remove_partial_blocking(sha256(content)));
        const auto second = cache.begin(sha256(content), content.size());
        CHECK(second->resumed() == 0);
        CHECK(files_below(dir.path()) == 2);
        writer->leave();
        second->leave();
    }
    CHECK(files_below(dir.path()) == 1);
    REQUIRE(cache.list_partials_blocking().size() == 1);
    CHECK(cache.list_partials_blocking().front().digest == sha256(content));
    CHECK(cache.list_blocking().empty());
    const auto writer = cache.begin(sha256(content), content.size());
    CHECK(writer->resumed() == 512 * 1024);
    std::byte piece[3]{};
    CHECK(writer->read_resumed(512 * 1024 - 2, piece) == 2);
    CHECK(writer->read_resumed(512 * 1024, piece) == 0);
    writer->write(all.first(500'000));
    writer->write(all.subspan(500'000));
    writer->keep();
    std::ifstream file(dir / ("oci/blobs/sha256/" + sha256(content).hex), std::ios::binary);
    CHECK(std::string(std::istreambuf_iterator<char>(file), {}) == content);
    CHECK(files_below(dir.path()) == 1);
}

TEST_CASE("what a writer has left is dropped when it is too long, unwanted or in the way") {
    const test::TempDir dir;
    const BlobCache cache(dir.path());
    const std::string content(600'000, 'a');
    const auto leave = [&] {
        const auto writer = cache.begin(sha256(content), content.size());
        writer->write(std::as_bytes(std::span(content)));
        writer->leave();
    };
    leave();
    CHECK(cache.begin(sha256(content), 599'999)->resumed() == 0);
    leave();
    CHECK(cache.begin(sha256(content), content.size(), false)->resumed() == 0);
    leave();
    CHECK(cache.remove_partial_blocking(sha256(content)));
    CHECK(files_below(dir.path()) == 0);
}
