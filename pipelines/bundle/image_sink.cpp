#include "pipelines/bundle/image_sink.hpp"

#include <algorithm>

#include "pipelines/bundle/bundle_record.hpp"
#include "pipelines/bundle/bundle_stream.hpp"
#include "pipelines/io/error.hpp"

namespace banger::bundle {
namespace {

constexpr std::string_view kRootfs = "rootfs.ext4";
constexpr std::string_view kManifest = "manifest.json";
constexpr std::uint64_t kBytesBetweenSpaceChecks = 16ull << 20;

}  // namespace

void ImageSink::begin_entry(const image::LayerEntry& entry) {
    const bool known = entry.path == kRootfs || entry.path == kManifest;
    if (!known) {
        refuse_bundle(name_, fmt::format("it holds '{}'; an image's bundle has rootfs.ext4 and "
                                         "manifest.json, nothing else",
                                         entry.path.substr(0, 100)));
    }
    if (entry.type != image::NodeType::regular || entry.is_hard_link) {
        refuse_bundle(name_, entry.path + " is no regular file");
    }
    is_rootfs_ = entry.path == kRootfs;
    if (is_rootfs_ ? size_.has_value() : manifest_.has_value()) {
        refuse_bundle(name_, "it holds " + entry.path + " twice");
    }
}

void ImageSink::begin_file() {
    if (!is_rootfs_) manifest_.emplace();
}

void ImageSink::append(std::span<const std::byte> bytes) {
    if (!is_rootfs_) {
        if (manifest_->size() + bytes.size() > kMaxManifestBytes) {
            refuse_bundle(name_, "its manifest.json is larger than 1 MiB");
        }
        manifest_->append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        return;
    }
    if (unchecked_ < bytes.size()) {
        space_.check_blocking();
        unchecked_ = kBytesBetweenSpaceChecks;
    }
    unchecked_ -= std::min<std::uint64_t>(unchecked_, bytes.size());
    const StageTimer busy(profile_.tar_parse);
    profile_.tar_parse.add_bytes(bytes.size());
    rootfs_.append(bytes);
}

void ImageSink::skip(std::uint64_t bytes) {
    if (!is_rootfs_) refuse_bundle(name_, "its manifest.json has holes");
    rootfs_.skip(bytes);
}

std::vector<image::Extent> ImageSink::end_file() {
    if (is_rootfs_) size_ = rootfs_.finish();
    return {};
}

std::uint64_t ImageSink::size() const {
    if (!size_) refuse_bundle(name_, "it has no rootfs.ext4");
    return *size_;
}
const std::string& ImageSink::manifest() const {
    if (!manifest_) refuse_bundle(name_, "it has no manifest.json");
    return *manifest_;
}

}  // namespace banger::bundle
