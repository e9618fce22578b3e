#include "pipelines/image/pull_profile.hpp"

#include <utility>

namespace banger::image {
namespace {

std::uint64_t in_ms(StageMeter::Clock::duration time) {
    using std::chrono::milliseconds;
    return static_cast<std::uint64_t>(std::chrono::duration_cast<milliseconds>(time).count());
}

}  // namespace

void PullProfile::report(const ProgressSink& progress) const {
    const std::array<std::pair<const char*, const StageMeter*>, 9> meters{
        {{"network", &network},
         {"blob hash", &blob_hash},
         {"inflate", &inflate},
         {"tar hash", &tar_hash},
         {"tar parse", &tar_parse},
         {"write", &write},
         {"merge", &merge},
         {"metadata", &metadata},
         {"sync", &sync}}};
    for (const auto& [name, meter] : meters) {
        progress({.stage = "profile",
                  .item = name,
                  .done = meter->bytes(),
                  .busy_ms = in_ms(meter->busy()),
                  .waiting_ms = in_ms(meter->waiting())});
    }
}

}  // namespace banger::image
