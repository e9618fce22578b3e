#include "pipelines/bundle/bundle_stream.hpp"

#include <atomic>

#include "pipelines/bundle/url_blob.hpp"
#include "pipelines/image/blob_work.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::bundle {
namespace {

constexpr std::chrono::milliseconds kReportInterval{100};

void report(const BundleRequest& request, std::uint64_t done, const ProgressSink& progress) {
    if (!progress) return;
    progress({.stage = "download",
              .item = request.digest.short_hex(),
              .done = done,
              .total = request.size});
}

Task<void> report_regularly(const BundleRequest& request, const std::atomic<std::uint64_t>& done,
                            const ProgressSink& progress) {
    for (;;) {
        co_await sleep_for(kReportInterval);
        report(request, done, progress);
    }
}

}  // namespace

Task<void> stream_bundle(const image::PullContext& context, const BundleRequest& request,
                         image::PullProfile& profile, ConsumePieces consume, Finish finish,
                         ProgressSink progress) {
    auto blob = open_url(context.executor, request.url, request.size, request.settings);
    std::atomic<std::uint64_t> done{0};
    auto work = [&](image::ReadChunk read, std::stop_token stop) {
        image::BlobJob job{.name = "bundle '" + request.name + "'",
                           .digest = &request.digest,
                           .size = request.size,
                           .read = std::move(read),
                           .profile = profile,
                           .done = done,
                           .stop = stop};
        image::unpack_blob_blocking(job,
                                    [&](image::PlainPieces& pieces) { consume(pieces, stop); });
        finish(stop);
    };
    co_await race(image::work_through(context, blob, profile.network, work),
                  report_regularly(request, done, progress));
    report(request, done, progress);
}

void read_bundle_tar(image::PlainPieces& pieces, image::ContentSink& sink) {
    image::ImageBudget budget;
    image::read_tar([&pieces] { return pieces.next(); }, sink, budget);
}

void refuse_bundle(const std::string& name, const std::string& why) {
    fail(Errc::invalid_argument, "bundle '{}': {}", name, why);
}

}  // namespace banger::bundle
