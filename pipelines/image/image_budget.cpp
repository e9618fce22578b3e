#include "pipelines/image/image_budget.hpp"

#include "pipelines/io/error.hpp"

namespace banger::image {

ImageBudget::~ImageBudget() {
    if (!whole_) return;
    whole_->entries_ -= entries_;
    whole_->bytes_ -= bytes_;
    whole_->metadata_ -= metadata_;
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

void ImageBudget::take_metadata(std::uint64_t bytes) {
    if (whole_) whole_->take_metadata(bytes);
    if (metadata_.fetch_add(bytes) + bytes <= kMaxMetadata) return;
    fail(Errc::unsupported, "the image's names, links and xattrs are over the limit of {} GiB",
         kMaxMetadata >> 30);
}

}  // namespace banger::image
