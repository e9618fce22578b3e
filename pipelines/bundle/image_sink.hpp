#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pipelines/bundle/raw_writer.hpp"
#include "pipelines/image/pull_profile.hpp"
#include "pipelines/image/space_guard.hpp"
#include "pipelines/image/tar_stream.hpp"

namespace banger::bundle {

/// The two entries of an image's bundle, each to its place. Throws Error{invalid_argument} for any
/// other entry, for a second one of a name, and for what is no regular file.
class ImageSink final : public image::ContentSink {
  public:
    /// `name` is for messages. All outlive the sink.
    ImageSink(const std::string& name, RawWriter& rootfs, const image::SpaceGuard& space,
              image::PullProfile& profile)
        : name_(name), rootfs_(rootfs), space_(space), profile_(profile) {}

    void begin_entry(const image::LayerEntry& entry) override;
    void begin_file() override;
    void append(std::span<const std::byte> bytes) override;
    void skip(std::uint64_t bytes) override;
    std::vector<image::Extent> end_file() override;

    /// Bytes of the file system; throws when there was none.
    std::uint64_t size() const;
    /// The manifest's text; throws when there was none.
    const std::string& manifest() const;

  private:
    const std::string& name_;
    RawWriter& rootfs_;
    const image::SpaceGuard& space_;
    image::PullProfile& profile_;
    bool is_rootfs_ = false;
    std::optional<std::uint64_t> size_;
    std::optional<std::string> manifest_;
    std::uint64_t unchecked_ = 0;  ///< bytes that may follow before the next check
};

}  // namespace banger::bundle
