// What boot_test boots, made by banger's own parts:
//   make_material DEB SOURCE DIRECTORY
// leaves DIRECTORY/{vmlinux,modules/*.ko,debian.ext4}: of a kernel's .deb, and of an image
// (oci:PATH:TAG).

#include <boost/asio/this_coro.hpp>
#include <cstdio>
#include <filesystem>

#include "pipelines/image/pull.hpp"
#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/buffer_pool.hpp"
#include "pipelines/kernel/kernel_import.hpp"
#include "test/support/run_task.hpp"

namespace fs = std::filesystem;
using namespace banger;

namespace {

void make_kernel(const std::string& deb, const fs::path& out) {
    const auto imported = out / "kernel";
    kernel::KernelImportOptions options;
    options.name = "test";
    kernel::import_deb_blocking(deb, imported, options, {});
    fs::rename(imported / "vmlinux", out / "vmlinux");
    fs::create_directories(out / "modules");
    for (const auto& entry : fs::recursive_directory_iterator(imported / "modules")) {
        if (entry.path().extension() == ".ko") {
            fs::rename(entry.path(), out / "modules" / entry.path().filename());
        }
    }
    fs::remove_all(imported);
}

Task<void> make_image(std::string source, fs::path out) {
    BlockingPool pool(4);
    BufferPool buffers(4);
    const image::PullContext context{
        .executor = co_await boost::asio::this_coro::executor, .pool = pool, .buffers = buffers};
    image::PullRequest request;
    request.source = std::move(source);
    request.staging_dir = out / "image";
    request.cache_dir = out / "cache";
    co_await image::pull(context, request, {});
    fs::rename(out / "image" / "rootfs.ext4", out / "debian.ext4");
    fs::remove_all(out / "image");
    fs::remove_all(out / "cache");
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        std::fputs("usage: make_material DEB SOURCE DIRECTORY\n", stderr);
        return 2;
    }
    try {
        const fs::path out = argv[3];
        fs::remove_all(out);
        fs::create_directories(out);
        make_kernel(argv[1], out);
        test::run_task(make_image(argv[2], out), std::chrono::seconds(120));
    } catch (const std::exception& error) {
        std::fprintf(stderr, "make_material: %s\n", error.what());
        return 1;
    }
    return 0;
}
