#include "daemon/image/directories.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/unique_fd.hpp"
#include "test/support/catch.hpp"
#include "test/support/run_task.hpp"
#include "test/support/temp_dir.hpp"

using namespace banger;

namespace {

void fill(const std::string& directory, const std::string& text) {
    std::filesystem::create_directories(directory);
    std::ofstream(directory + "/file") << text;
}

std::size_t entries_of(const std::filesystem::path& directory) {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(directory),
                                                  std::filesystem::directory_iterator()));
}

}  // namespace

TEST_CASE("a directory is published under its name, and alone") {
    const test::TempDir dir;
    BlockingPool pool(1);
    fill(dir / "x.staging", "new");
    test::run_task(publish(pool, dir / "x.staging", dir / "x"));
    CHECK(read_file(dir / "x/file") == "new");
    CHECK(entries_of(dir.path()) == 1);
}

TEST_CASE("publishing over a directory that is still held replaces it whole") {
    const test::TempDir dir;
    BlockingPool pool(1);
    fill(dir / "x", "old");
    const auto held = open_file(dir / "x/file", O_RDONLY);
    fill(dir / "x.staging", "new");
    test::run_task(publish(pool, dir / "x.staging", dir / "x"));
    CHECK(read_file(dir / "x/file") == "new");
    CHECK(entries_of(dir.path()) == 1);
    char text[4]{};
    CHECK(::read(held.get(), text, 3) == 3);
    CHECK(std::string(text) == "old");
}

TEST_CASE("publishing what is not there fails and leaves what stands") {
    const test::TempDir dir;
    BlockingPool pool(1);
    fill(dir / "x", "old");
    CHECK_THROWS(test::run_task(publish(pool, dir / "x.staging", dir / "x")));
    CHECK(read_file(dir / "x/file") == "old");
}
