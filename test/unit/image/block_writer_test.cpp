#include "pipelines/image/ext4/block_writer.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <future>

#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/digest.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/uring.hpp"
#include "test/support/catch.hpp"
#include "test/support/run_task.hpp"
#include "test/unit/image/image_builder.hpp"

using namespace banger;
using namespace banger::test;
using image::BlockWriter;
using image::Extent;
using image::kBlockSize;
using image::LayerEntry;
using image::SlabPlan;

namespace {

/// Keeps what it is given.
class MemoryWriter : public FileWriter {
  public:
    void write(Lease lease, std::size_t size, std::uint64_t offset) override {
        CHECK(size % kBlockSize == 0);
        CHECK(offset % kBlockSize == 0);
        if (bytes.size() < offset + size) bytes.resize(offset + size);
        std::copy_n(lease.bytes().begin(), size,
                    bytes.begin() + static_cast<std::ptrdiff_t>(offset));
        ++writes;
    }
    Task<void> flush() override { co_return; }
    const char* name() const noexcept override { return "memory"; }

    std::string read(const std::vector<Extent>& extents, std::uint64_t size) const {
        std::string content(size + kBlockSize, '\0');
        for (const Extent& extent : extents) {
            const auto* from =
                reinterpret_cast<const char*>(bytes.data()) + extent.physical * kBlockSize;
            std::copy_n(from, std::size_t{extent.count} * kBlockSize,
                        content.begin() + static_cast<std::ptrdiff_t>(extent.logical) * kBlockSize);
        }
        content.resize(size);
        return content;
    }

    std::vector<std::byte> bytes;
    int writes = 0;
};

struct Bench {
    SlabPlan plan{{1000}};
    BufferPool buffers{1};
    MemoryWriter file;
    BlockWriter writer{plan, 0, buffers, file, {}};

    std::vector<Extent> put(std::string_view content, std::size_t step) {
        writer.begin_file();
        for (; !content.empty(); content.remove_prefix(std::min(step, content.size()))) {
            writer.append(std::as_bytes(std::span(content.substr(0, step))));
        }
        return writer.end_file();
    }
};

std::string text(std::size_t size) {
    std::string result(size, '\0');
    for (std::size_t index = 0; index < size; ++index)
        result[index] = static_cast<char>(index % 251 + 1);
    return result;
}

}  // namespace

TEST_CASE("content arrives whole however it is cut") {
    for (std::size_t step : {1UL, 511UL, 4096UL, 5000UL, 3'000'000UL}) {
        Bench bench;
        std::vector<std::pair<std::string, std::vector<Extent>>> files;
        for (std::size_t size : {0UL, 1UL, 4095UL, 4096UL, 4097UL, 100'000UL}) {
            files.emplace_back(text(size), bench.put(text(size), step));
        }
        if (step > 1) files.emplace_back(text(2'500'000), bench.put(text(2'500'000), step));
        bench.writer.finish();
        for (const auto& [content, extents] : files) {
            CHECK(bench.file.read(extents, content.size()) == content);
        }
    }
}

TEST_CASE("neighbouring blocks are one extent, also across slabs of one unit") {
    Bench bench;
    std::vector<Extent> extents = bench.put(text(3 * 1024 * 1024), 10'000);
    REQUIRE(extents.size() == 1);
    CHECK(extents[0].physical == bench.plan.slab(0, 0));
    CHECK(extents[0].count == 768);
    bench.writer.finish();
    CHECK(bench.writer.blocks_written() == 768);
    CHECK(bench.writer.end_block() == extents[0].physical + 768);
}

TEST_CASE("blocks of zeros are holes and take no room") {
    Bench bench;
    std::string content =
        text(4096) + std::string(5 * 4096, '\0') + text(10) + std::string(9000, '\0');
    std::vector<Extent> extents = bench.put(content, 700);
    bench.writer.finish();
    CHECK(bench.file.read(extents, content.size()) == content);
    REQUIRE(extents.size() == 2);
    CHECK(extents[1].logical == 6);
    CHECK(extents[1].physical == extents[0].physical + 1);
    CHECK(bench.writer.blocks_written() == 2);
    CHECK(bench.put(std::string(20'000, '\0'), 5000).empty());
}

TEST_CASE("skipped bytes are holes, and zeros where a block is shared") {
    Bench bench;
    bench.writer.begin_file();
    auto append = [&](std::string_view bytes) {
        bench.writer.append(std::as_bytes(std::span(bytes)));
    };
    append("abc");
    bench.writer.skip(10);
    append("def");
    bench.writer.skip(3 * 4096);
    append("ghi");
    bench.writer.skip(1ULL << 40);
    append("end");
    std::vector<Extent> extents = bench.writer.end_file();
    bench.writer.finish();
    REQUIRE(extents.size() == 3);
    std::string expected =
        "abc" + std::string(10, '\0') + "def" + std::string(3 * 4096, '\0') + "ghi";
    std::vector<Extent> front(extents.begin(), extents.begin() + 2);
    CHECK(bench.file.read(front, expected.size()) == expected);
    CHECK(extents[2].logical == (1U << 28) + 3);
}

TEST_CASE("a slab's rest does not carry bytes of an earlier file") {
    Bench bench;
    bench.put(text(4096 * 3), 4096);
    std::vector<Extent> extents = bench.put("x", 1);
    bench.writer.finish();
    CHECK(bench.file.read(extents, 4096) == "x" + std::string(4095, '\0'));
}

TEST_CASE("a file beyond 16 TiB is an error") {
    Bench bench;
    bench.writer.begin_file();
    bench.writer.skip(1ULL << 44);
    CHECK_THROWS_AS(bench.writer.append(std::vector<std::byte>(4096, std::byte{1})), Error);
}

TEST_CASE("a stopped writer does not wait for a buffer") {
    Bench bench;
    Lease only = bench.buffers.lease_blocking({});
    std::stop_source stop;
    BlockWriter writer(bench.plan, 0, bench.buffers, bench.file, stop.get_token());
    stop.request_stop();
    writer.begin_file();
    CHECK_THROWS_AS(writer.append(std::vector<std::byte>(1)), Error);
}

namespace {

/// Four layers written by four threads at once.
image::StagingTree fill_layers(FileWriter& file, BufferPool& buffers) {
    SlabPlan plan({9000, 1000, 5'000'000, 40});
    std::vector<std::future<std::vector<LayerEntry>>> layers;
    for (std::size_t layer = 0; layer < 4; ++layer) {
        layers.push_back(std::async(std::launch::async, [&, layer] {
            BlockWriter writer(plan, layer, buffers, file, {});
            std::vector<LayerEntry> entries;
            for (std::size_t index = 0; index < 30; ++index) {
                std::string content = text(layer * 1000 + index * 50'000);
                LayerEntry entry =
                    test::file("l" + std::to_string(layer) + "/" + std::to_string(index));
                writer.begin_file();
                writer.append(std::as_bytes(std::span(content)));
                entry.extents = writer.end_file();
                entry.size = content.size();
                entries.push_back(std::move(entry));
            }
            writer.finish();
            return entries;
        }));
    }
    image::StagingTree tree;
    for (auto& layer : layers)
        tree.apply(layer.get());
    return tree;
}

void check_layers(const std::string& path, const image::StagingTree& tree) {
    image::Ext4Options options;
    options.size = 512 << 20;
    image::write_ext4_blocking(path, tree, options, {});
    CHECK(check_e2fsck(path) == "");
    ReadFilesystem fs = read_ext4(path);
    for (std::size_t layer = 0; layer < 4; ++layer) {
        for (std::size_t index = 0; index < 30; ++index) {
            const ReadEntry& entry =
                fs.at("/l" + std::to_string(layer) + "/" + std::to_string(index));
            CHECK(entry.sha256 == sha256(text(layer * 1000 + index * 50'000)).hex);
        }
    }
}

UniqueFd open_image(const std::string& path) {
    int fd = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC | O_DIRECT, 0600);
    if (fd >= 0) return UniqueFd(fd);
    return open_file(path, O_CREAT | O_RDWR, 0600);
}

/// False where the kernel refuses io_uring.
Task<bool> fill_by_ring(std::string path, image::StagingTree& tree) {
    BufferPool buffers(6);
    BlockingPool pool(1);
    std::string why_not;
    auto ring = Uring::try_make(co_await boost::asio::this_coro::executor, buffers, why_not);
    if (ring == nullptr) {
        WARN("skipped: " << why_not);
        co_return false;
    }
    UniqueFd fd = open_image(path);
    auto file = make_file_writer(fd.get(), ring.get());
    CHECK(std::string(file->name()) == "io_uring");
    tree =
        co_await run_blocking(pool, [&](std::stop_token) { return fill_layers(*file, buffers); });
    co_await file->flush();
    co_await ring->close();
    co_return true;
}

}  // namespace

TEST_CASE("four layers at once through pwrite make a clean image") {
    TempDir directory;
    std::string path = directory / "image.ext4";
    BufferPool buffers(6);
    UniqueFd fd = open_image(path);
    auto file = make_file_writer(fd.get(), nullptr);
    check_layers(path, fill_layers(*file, buffers));
}

TEST_CASE("four layers at once through io_uring make the same image as through pwrite") {
    TempDir directory;
    std::string path = directory / "ring.ext4";
    image::StagingTree tree;
    if (!run_task(fill_by_ring(path, tree))) return;
    check_layers(path, tree);

    std::string other = directory / "pwrite.ext4";
    BufferPool buffers(6);
    UniqueFd fd = open_image(other);
    auto file = make_file_writer(fd.get(), nullptr);
    check_layers(other, fill_layers(*file, buffers));
    CHECK(sha256_file_blocking(path).hex == sha256_file_blocking(other).hex);
}
