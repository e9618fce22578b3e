#include "test/support/pull_fixture.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/buffer_pool.hpp"
#include "pipelines/io/unique_fd.hpp"
#include "pipelines/io/uring.hpp"
#include "pipelines/io/wait.hpp"
#include "test/support/run_task.hpp"

namespace banger::test {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kBuffers = 6;
constexpr off_t kBlock = 4096;
constexpr off_t kMiB = 1 << 20;

std::size_t count_entries(const char* path) {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(path), fs::directory_iterator()));
}

/// Ends when the pull does, or with operation_aborted when its time is over.
Task<image::PulledImage> pull_for(image::PullContext context, image::PullRequest request,
                                  ProgressSink sink,
                                  std::optional<std::chrono::milliseconds> limit) {
    auto pulling = image::pull(context, std::move(request), std::move(sink));
    if (!limit) co_return co_await std::move(pulling);
    auto first = co_await race(std::move(pulling), sleep_for(*limit));
    if (first.index() == 1) throw_cancelled();
    co_return std::get<0>(std::move(first));
}

Task<image::PulledImage> pull_with_ring(BlockingPool& pool, BufferPool& buffers, PullSetup setup,
                                        image::PullRequest request, ProgressSink sink) {
    const auto executor = co_await boost::asio::this_coro::executor;
    std::string why_not;
    auto ring = setup.uring ? Uring::try_make(executor, buffers, why_not) : nullptr;
    std::optional<image::PulledImage> pulled;
    std::exception_ptr error;
    try {
        pulled = co_await pull_for({executor, pool, buffers, ring.get()}, std::move(request),
                                   std::move(sink), setup.cancel_after);
    } catch (...) {
        error = std::current_exception();
    }
    if (ring) co_await ring->close();
    if (error) std::rethrow_exception(error);
    co_return std::move(*pulled);
}

Task<Digest> resolve_with(BlockingPool& pool, BufferPool& buffers, std::string source) {
    const auto executor = co_await boost::asio::this_coro::executor;
    co_return co_await image::resolve({executor, pool, buffers, nullptr}, std::move(source), {},
                                      {});
}

}  // namespace

image::PulledImage PullFixture::pull(const std::string& source, const PullSetup& setup) {
    BlockingPool pool(4);
    BufferPool buffers(kBuffers);
    progress.clear();
    auto sink = [this](const Progress& step) { progress.push_back(step); };
    const image::PullRequest request{.source = source,
                                     .staging_dir = staging(),
                                     .cache_dir = cache(),
                                     .size = setup.size,
                                     .parallel_layers = setup.parallel_layers,
                                     .registries = setup.registries,
                                     .credential = setup.credential};
    return run_task(pull_with_ring(pool, buffers, setup, request, sink), setup.limit);
}

Error PullFixture::failure(const std::string& source, const PullSetup& setup) {
    try {
        pull(source, setup);
    } catch (const Error& error) {
        return error;
    }
    throw std::runtime_error("the pull of " + source + " did not fail");
}

Digest PullFixture::resolve(const std::string& source) {
    BlockingPool pool(1);
    BufferPool buffers(1);
    return run_task(resolve_with(pool, buffers, source));
}

std::string PullFixture::cached_blob(const std::string& digest) const {
    const auto colon = digest.find(':');
    return cache() + "/oci/blobs/" + digest.substr(0, colon) + "/" + digest.substr(colon + 1);
}

ReadFilesystem PullFixture::read() {
    if (const auto complaint = check_e2fsck(rootfs()); !complaint.empty()) {
        throw std::runtime_error("e2fsck: " + complaint);
    }
    return read_ext4(rootfs());
}

std::string PullFixture::fingerprint() const {
    const auto fd = open_file(rootfs(), O_RDONLY);
    const auto size = static_cast<off_t>(fs::file_size(rootfs()));
    Hasher hasher;
    hasher.update(std::to_string(size));
    const std::string zeros(kBlock, '\0');
    std::string block(kBlock, '\0');
    for (off_t at = ::lseek(fd.get(), 0, SEEK_DATA); at >= 0 && at < size; at += kBlock) {
        if (at % kMiB == 0) at = std::max(at, ::lseek(fd.get(), at, SEEK_DATA) / kBlock * kBlock);
        block.resize(kBlock);
        const auto count = ::pread(fd.get(), block.data(), block.size(), at);
        if (count <= 0) break;
        block.resize(static_cast<std::size_t>(count));
        if (block == zeros) continue;
        hasher.update(std::to_string(at));
        hasher.update(block);
    }
    return hasher.finish().hex;
}

void PullFixture::remove_staging() {
    fs::remove_all(staging());
}

std::vector<std::string> PullFixture::leftovers() const {
    std::vector<std::string> found;
    if (fs::exists(staging())) found.push_back(staging());
    if (!fs::exists(cache())) return found;
    for (const auto& item : fs::recursive_directory_iterator(cache())) {
        const auto name = item.path().filename().string();
        if (name.find(".tmp-") != std::string::npos || name.ends_with(".partial")) {
            found.push_back(name);
        }
    }
    return found;
}

std::size_t count_threads() {
    return count_entries("/proc/self/task");
}

bool threads_settle_at(std::size_t count) {
    // An io_uring worker of the kernel's counts as a thread for five idle seconds.
    for (int i = 0; i < 1000 && count_threads() != count; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return count_threads() == count;
}

std::size_t count_descriptors() {
    return count_entries("/proc/self/fd");
}

}  // namespace banger::test
