#include <fmt/format.h>
#include <unistd.h>

#include <sstream>

#include "pipelines/io/subprocess.hpp"
#include "test/support/catch.hpp"
#include "test/support/run_task.hpp"
#include "test/unit/image/image_builder.hpp"

using namespace banger;
using namespace banger::test;
using image::LayerEntry;
using image::NodeType;

namespace {

RunResult run_command(std::vector<std::string> argv) {
    return run_task(run(std::move(argv), std::chrono::seconds(50)));
}

/// A read-only loop mount, undone with the test.
class LoopMount {
  public:
    LoopMount(const std::string& image, std::string at) : at_(std::move(at)) {
        std::filesystem::create_directory(at_);
        RunResult result = run_command({"/bin/mount", "-o", "loop,ro", image, at_});
        is_mounted_ = result.status.success();
        if (!is_mounted_) WARN("skipped: no loop mount here: " << result.err);
    }
    ~LoopMount() {
        if (is_mounted_) run_command({"/bin/umount", at_});
    }
    LoopMount(const LoopMount&) = delete;
    LoopMount& operator=(const LoopMount&) = delete;

    explicit operator bool() const { return is_mounted_; }
    const std::string& at() const { return at_; }

  private:
    std::string at_;
    bool is_mounted_ = false;
};

/// A line of `find -printf`, from our own reader.
std::string line_of(const ReadEntry& entry) {
    std::string path = entry.path == "/" ? "" : entry.path.substr(1);
    return fmt::format("{}|{}|{:o}|{}|{}|{}|{}.{:09}0|{}", path, entry.type, entry.mode, entry.uid,
                       entry.gid, entry.nlink, entry.mtime, entry.mtime_ns, entry.link_target);
}

std::vector<std::string> sorted_lines(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);)
        lines.push_back(line);
    std::sort(lines.begin(), lines.end());
    return lines;
}

}  // namespace

TEST_CASE("the kernel sees what was written") {
    if (::geteuid() != 0) {
        WARN("skipped: mounting needs root");
        return;
    }
    ImageBuilder builder;
    LayerEntry special = builder.file_with("bin/su", "su");
    special.attributes = {04755, 70000, 80000, {8589934599, 123456789}, {{"user.note", "kept"}}};
    std::vector<LayerEntry> layer{special,
                                  hard_link("sbin/su", "bin/su"),
                                  soft_link("long", std::string(200, 'l')),
                                  soft_link("short", "bin"),
                                  device("dev/wide", NodeType::block_device, 259, 70000),
                                  device("dev/pipe", NodeType::fifo, 0, 0),
                                  builder.sparse_file("sparse", 500, 8192)};
    for (int index = 0; index < 5'000; ++index) {
        layer.push_back(file("many/a-name-of-usual-length-" + std::to_string(index)));
    }
    ReadFilesystem fs = builder.build(std::move(layer));

    TempDir directory;
    LoopMount mount(builder.path(), directory / "mnt");
    if (!mount) return;
    RunResult found =
        run_command({"/usr/bin/find", mount.at(), "-printf", "%P|%y|%m|%U|%G|%n|%T@|%l\n"});
    REQUIRE(found.status.success());
    std::string expected;
    for (const ReadEntry& entry : fs.entries)
        expected += line_of(entry) + "\n";
    std::vector<std::string> seen = sorted_lines(found.out);
    std::vector<std::string> written = sorted_lines(expected);
    REQUIRE(seen.size() == written.size());
    for (std::size_t index = 0; index < seen.size(); ++index)
        REQUIRE(seen[index] == written[index]);
    // By name, so through the index.
    for (int index = 0; index < 5'000; index += 7) {
        std::string name = mount.at() + "/many/a-name-of-usual-length-" + std::to_string(index);
        CHECK(::access(name.c_str(), F_OK) == 0);
    }
}

TEST_CASE("the kernel can write to an empty disk and to an image") {
    if (::geteuid() != 0) {
        WARN("skipped: mounting needs root");
        return;
    }
    TempDir directory;
    std::string disk = directory / "disk.ext4";
    image::make_empty_ext4_blocking(disk, 8ULL << 30, {});
    std::string at = directory / "mnt";
    std::filesystem::create_directory(at);
    RunResult mounted = run_command({"/bin/mount", "-o", "loop", disk, at});
    if (!mounted.status.success()) {
        WARN("skipped: no loop mount here: " << mounted.err);
        return;
    }
    RunResult copied = run_command({"/bin/cp", "-a", "/usr/include/linux", at});
    RunResult unmounted = run_command({"/bin/umount", at});
    CHECK(copied.status.success());
    REQUIRE(unmounted.status.success());
    CHECK(check_e2fsck(disk) == "");
}
