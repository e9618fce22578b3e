#include <filesystem>

#include "pipelines/bundle/bundle_record.hpp"
#include "pipelines/bundle/image_sink.hpp"
#include "pipelines/bundle/kernel_sink.hpp"
#include "pipelines/image/ext4/ext4_check.hpp"
#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/kernel/kernel_staging.hpp"
#include "test/fuzz/fuzz.hpp"
#include "test/support/temp_dir.hpp"

using namespace banger;

namespace {

/// Holds a writer to what O_DIRECT wants; keeps nothing.
class CheckingWriter : public FileWriter {
  public:
    void write(Lease, std::size_t size, std::uint64_t offset) override {
        fuzz::promise(size > 0 && size % 4096 == 0 && offset % 4096 == 0 && offset >= end_);
        end_ = offset + size;
    }
    Task<void> flush() override { co_return; }
    const char* name() const noexcept override { return "none"; }

  private:
    std::uint64_t end_ = 0;
};

void read_tar(std::string_view tar, image::ContentSink& sink) {
    image::ImageBudget budget;
    auto rest = std::as_bytes(std::span(tar));
    image::read_tar(
        [&rest] {
            const auto piece = rest.first(std::min<std::size_t>(rest.size(), 1000));
            rest = rest.subspan(piece.size());
            return piece;
        },
        sink, budget);
}

void read_image(std::string_view tar, const std::string& directory) {
    CheckingWriter file;
    BufferPool buffers(1);
    bundle::RawWriter writer(buffers, file, {});
    const image::SpaceGuard space(directory, 1);
    image::PullProfile profile;
    const std::string name = "fuzzed";
    bundle::ImageSink sink(name, writer, space, profile);
    read_tar(tar, sink);
    fuzz::promise(sink.size() <= 1ull << 60);
    bundle::parse_manifest(sink.manifest(), "the manifest");
}

void read_kernel(std::string_view tar, const std::string& directory) {
    kernel::KernelStaging staging(directory + "/staging");
    const image::SpaceGuard space(directory, 1);
    const std::string name = "fuzzed";
    bundle::KernelSink sink(name, staging, space);
    read_tar(tar, sink);
    sink.check();
}

void read_ext4(std::string_view bytes, const std::string& directory) {
    write_file_atomically(directory + "/rootfs.ext4", bytes);
    image::inspect_ext4_blocking(directory + "/rootfs.ext4", "it");
}

}  // namespace

/// The first byte says what the rest is: the tar of an image's bundle, of a kernel's, or a
/// rootfs.ext4. Whatever it is, nothing is written but below the one directory.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const auto rest = fuzz::as_text(data + 1, size - 1);
    const test::TempDir outer;
    const auto directory = outer / "inner";
    std::filesystem::create_directory(directory);
    try {
        if (data[0] % 3 == 0) read_image(rest, directory);
        if (data[0] % 3 == 1) read_kernel(rest, directory);
        if (data[0] % 3 == 2) read_ext4(rest, directory);
        fuzz::accept();
    } catch (const Error&) {
    }
    fuzz::promise(std::distance(std::filesystem::directory_iterator(outer.path()), {}) == 1);
    return 0;
}
