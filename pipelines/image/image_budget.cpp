#include "pipelines/image/image_budget.hpp"

#include <algorithm>

#include "pipelines/io/error.hpp"

namespace banger::image {

ImageBudget::~ImageBudget() {
    if (!whole_) return;
    whole_->entries_ -= entries_;
    whole_->bytes_ -= bytes_;
    whole_->stream_ -= stream_;
    whole_->metadata_ -= metadata_;
    whole_->beyond_shares_ -= beyond_shares_;
}

void ImageBudget::take_entry() {
    if (whole_) whole_->take_entry();
    if (entries_.fetch_add(1) < kMaxEntries) return;
    fail(Errc::unsupported, "the image has more than the limit of {} files", kMaxEntries);
}

void ImageBudget::take_bytes(std::uint64_t bytes) {
    if (whole_) whole_->take_bytes(bytes);
    if (bytes_.fetch_add(bytes) + bytes <= kMaxBytes) return;
    fail(Errc::unsupported, "the image is larger than the limit of {} GiB", kMaxBytes >> 30);
}

void ImageBudget::take_stream(std::uint64_t bytes) {
    if (whole_) whole_->take_stream(bytes);
    if (stream_.fetch_add(bytes) + bytes <= kMaxStream) return;
    fail(Errc::unsupported, "the image's layers unpack to more than the limit of {} GiB",
         kMaxStream >> 30);
}

void ImageBudget::take_metadata(std::uint64_t path_bytes, std::uint64_t rest_bytes) {
    if (whole_) whole_->take_metadata(path_bytes, rest_bytes);
    const auto bytes = path_bytes + rest_bytes;
    if (metadata_.fetch_add(bytes) + bytes > kMaxMetadata) {
        fail(Errc::unsupported, "the image's names, links and xattrs are over the limit of {} GiB",
             kMaxMetadata >> 30);
    }
    const auto beyond = rest_bytes - std::min(rest_bytes, kEntryShare);
    if (beyond_shares_.fetch_add(beyond) + beyond <= kMaxBeyondShares) return;
    fail(Errc::unsupported,
         "the links, xattrs and extents of the image's files are over the limit of {} MiB (and "
         "{} bytes for each file)",
         kMaxBeyondShares >> 20, kEntryShare);
}

}  // namespace banger::image
