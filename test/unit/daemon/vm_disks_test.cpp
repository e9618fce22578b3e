#include "daemon/vm/vm_disks.hpp"

#include <sys/stat.h>

#include <fstream>

#include "daemon/vm/file_tail.hpp"
#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/error.hpp"
#include "test/support/catch.hpp"
#include "test/support/temp_dir.hpp"

using namespace banger;
using namespace banger::vm;

namespace {

VmRecord record_of(const std::string& disk_mode) {
    VmRecord record;
    record.disk_mode = disk_mode;
    record.disk_size = 1ull << 30;
    record.rootfs = "/images/rootfs.ext4";
    return record;
}

struct stat stat_of(const std::string& path) {
    struct stat status{};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    return status;
}

}  // namespace

TEST_CASE("an overlay vm has the shared disk first, read-only, and its own second") {
    auto disks = disks_of(record_of("overlay"), "/vms/x");
    REQUIRE(disks.size() == 2);
    CHECK(disks[0].path == "/images/rootfs.ext4");
    CHECK(disks[0].read_only);
    CHECK(disks[1].path == "/vms/x/disk.ext4");
    CHECK_FALSE(disks[1].read_only);
}

TEST_CASE("a copy vm has one disk, its own") {
    auto disks = disks_of(record_of("copy"), "/vms/x");
    REQUIRE(disks.size() == 1);
    CHECK(disks[0].path == "/vms/x/root.ext4");
    CHECK_FALSE(disks[0].read_only);
}

TEST_CASE("a vm's own disk is as large as asked and takes next to nothing") {
    test::TempDir directory;
    make_disk_blocking(record_of("overlay"), directory.path(), {});
    auto status = stat_of(directory / "disk.ext4");
    CHECK(status.st_size == 1ll << 30);
    CHECK(status.st_blocks * 512 < 40ll << 20);
}

TEST_CASE("a copy is equal to its image, holes included") {
    test::TempDir directory;
    auto record = record_of("copy");
    record.rootfs = directory / "rootfs.ext4";
    {
        std::ofstream file(record.rootfs);
        file.seekp(5 << 20);
        file << std::string(100'000, 'a');
        file.seekp(40 << 20);
        file << "end";
    }
    make_disk_blocking(record, directory.path(), {});
    CHECK((read_file(directory / "root.ext4") == read_file(record.rootfs)));
    CHECK(stat_of(directory / "root.ext4").st_blocks <= stat_of(record.rootfs).st_blocks + 64);
}

TEST_CASE("a disk that would fill the host is refused with the numbers") {
    test::TempDir directory;
    CHECK_NOTHROW(check_free_space_blocking(directory.path(), 0));
    try {
        check_free_space_blocking(directory.path(), 1ull << 50);
        FAIL("a pebibyte was free");
    } catch (const Error& e) {
        CHECK(e.code() == Errc::no_space);
        CHECK_THAT(e.what(), test::ContainsSubstring("are needed: make room there"));
    }
}

TEST_CASE("the tail of a log is read, and its head given back while it grows") {
    test::TempDir directory;
    auto path = directory / "serial.log";
    CHECK(read_tail_blocking(path, 100).empty());
    {
        std::ofstream file(path);
        for (int i = 0; i < 100'000; ++i)
            file << "line " << i << " of a guest that says a lot\n";
    }
    CHECK_FALSE(give_back_head_blocking(path, 64u << 20));
    auto tail = read_tail_blocking(path, 4096);
    CHECK(give_back_head_blocking(path, 65536));
    CHECK(stat_of(path).st_blocks * 512 <= 65536 + 2 * 4096);
    CHECK(read_tail_blocking(path, 4096) == tail);
    std::ofstream(path, std::ios::app) << "more";
    CHECK(read_tail_blocking(path, 4) == "more");
}
