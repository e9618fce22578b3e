#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "pipelines/image/space_guard.hpp"
#include "pipelines/image/tar_stream.hpp"
#include "pipelines/kernel/boot_image.hpp"
#include "pipelines/kernel/module_file.hpp"

namespace banger::kernel {
class KernelStaging;
}

namespace banger::bundle {

/// A kernel's bundle on its way into a directory like that of an import. Throws
/// Error{invalid_argument} for a path or a link that leaves it, a hard link, a device, and whatever
/// a kernel has no use for.
class KernelSink final : public image::ContentSink {
  public:
    /// `name` is for messages. All outlive the sink.
    KernelSink(const std::string& name, kernel::KernelStaging& staging,
               const image::SpaceGuard& space)
        : name_(name), staging_(staging), space_(space) {}

    void begin_entry(const image::LayerEntry& entry) override;
    void begin_file() override;
    void append(std::span<const std::byte> bytes) override;
    void skip(std::uint64_t bytes) override;
    std::vector<image::Extent> end_file() override;

    /// Once all was read and verified: what only the kernel itself tells.
    kernel::KernelFacts check() const;

  private:
    enum class Goes { nowhere, to_disk, to_memory };

    void check_path(const image::LayerEntry& entry) const;
    void check_type(const image::LayerEntry& entry) const;
    void check_link(const image::LayerEntry& entry) const;
    void keep_held();

    const std::string& name_;
    kernel::KernelStaging& staging_;
    const image::SpaceGuard& space_;
    std::string path_;
    Goes goes_ = Goes::nowhere;
    std::string held_;
    std::uint64_t written_ = 0;  ///< of the file under way
    std::uint64_t total_ = 0;
    std::set<std::string> seen_;
    std::vector<std::pair<std::string, kernel::ModuleInfo>> modules_;
};

}  // namespace banger::bundle
