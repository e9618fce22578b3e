#include "test/integration/bundles/bundle_fixture.hpp"

#include <filesystem>
#include <optional>
#include <stdexcept>

#include "pipelines/image/ext4/ext4_writer.hpp"
#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/buffer_pool.hpp"
#include "pipelines/io/uring.hpp"
#include "test/support/run_task.hpp"
#include "test/support/tar_builder.hpp"
#include "test/unit/kernel/kernel_samples.hpp"

namespace banger::test {
namespace {

namespace fs = std::filesystem;

/// Runs `pull(context)` with the parts of a daemon around it.
template <class Result, class Pull>
Task<Result> with_context(BlockingPool& pool, BufferPool& buffers, bool uring, Pull pull) {
    const auto executor = co_await boost::asio::this_coro::executor;
    std::string why_not;
    auto ring = uring ? Uring::try_make(executor, buffers, why_not) : nullptr;
    std::optional<Result> result;
    std::exception_ptr error;
    try {
        result = co_await pull(image::PullContext{executor, pool, buffers, ring.get()});
    } catch (...) {
        error = std::current_exception();
    }
    if (ring) co_await ring->close();
    if (error) std::rethrow_exception(error);
    co_return std::move(*result);
}

template <class Result, class Pull>
Result run_pull(bool uring, Pull pull) {
    BlockingPool pool(4);
    BufferPool buffers(6);
    return run_task(with_context<Result>(pool, buffers, uring, pull));
}

template <class Pull>
Error failure_of(const BundleFixture& fixture, Pull pull) {
    try {
        pull();
    } catch (const Error& error) {
        if (fs::exists(fixture.staging())) throw std::runtime_error("something was left");
        return error;
    }
    fixture.remove_staging();
    throw std::runtime_error("the pull did not fail");
}

}  // namespace

BundleFixture::Offer BundleFixture::offer(const std::string& bytes, const std::string& name) const {
    write_file_atomically(path(name), bytes);
    return offer_at("file://" + path(name), bytes);
}

BundleFixture::Offer BundleFixture::offer_at(const std::string& url, const std::string& bytes) {
    return {.url = url, .sha256 = sha256(bytes).hex, .size = bytes.size()};
}

bundle::BundleRequest BundleFixture::request_for(const Offer& offer) const {
    image::RegistrySettings settings;
    settings.retry = {.attempts = 3, .first_delay = std::chrono::milliseconds(1)};
    settings.patience.stall = std::chrono::seconds(2);
    return {.name = "box",
            .url = offer.url,
            .digest = {"sha256", offer.sha256},
            .size = offer.size,
            .staging_dir = staging(),
            .settings = settings};
}

bundle::PulledBundle BundleFixture::pull_image(const Offer& offer) {
    return run_pull<bundle::PulledBundle>(offer.uring, [&](const image::PullContext& context) {
        return bundle::pull_image_bundle(context, request_for(offer), {});
    });
}

kernel::KernelManifest BundleFixture::pull_kernel(const Offer& offer) {
    return run_pull<kernel::KernelManifest>(false, [&](const image::PullContext& context) {
        return bundle::pull_kernel_bundle(context, request_for(offer),
                                          {.name = "box", .distro = "debian"}, {});
    });
}

kernel::KernelManifest BundleFixture::pull_deb(const Offer& offer) {
    return run_pull<kernel::KernelManifest>(false, [&](const image::PullContext& context) {
        return bundle::pull_kernel_deb(context, request_for(offer),
                                       {.name = "box", .distro = "debian"}, {});
    });
}

Error BundleFixture::image_failure(const Offer& offer) {
    return failure_of(*this, [&] { pull_image(offer); });
}

Error BundleFixture::kernel_failure(const Offer& offer) {
    return failure_of(*this, [&] { pull_kernel(offer); });
}

void BundleFixture::remove_staging() const {
    fs::remove_all(staging());
}

std::string BundleFixture::make_ext4(std::uint64_t size) const {
    const auto file = path("made.ext4");
    fs::remove(file);
    image::make_empty_ext4_blocking(file, size, {.time = 1'600'000'000});
    return read_file(file);
}

std::string zstd(const std::string& plain) {
    return compress(plain, "zstd");
}

std::string image_bundle(const std::string& rootfs, const std::string& manifest) {
    const auto text =
        manifest.empty() ? R"({"name":"box","arch":"x86_64","kernel_ref":"k"})" : manifest;
    return zstd(TarBuilder().file("rootfs.ext4", rootfs).file("manifest.json", text).finish());
}

}  // namespace banger::test
