#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "pipelines/image/ext4/layer_list.hpp"
#include "pipelines/image/ext4/warning_list.hpp"
#include "pipelines/image/image_budget.hpp"
#include "pipelines/image/tar_input.hpp"

namespace banger::image {

/// Where the contents of a tar's regular files go: blocks of an image, or a test's memory.
class ContentSink {
  public:
    virtual ~ContentSink() = default;
    /// Of every entry, before its content; throws to refuse it.
    virtual void begin_entry(const LayerEntry&) {}
    virtual void begin_file() = 0;
    virtual void append(std::span<const std::byte> bytes) = 0;
    /// A hole of a sparse file.
    virtual void skip(std::uint64_t bytes) = 0;
    virtual std::vector<Extent> end_file() = 0;
};

struct TarContents {
    LayerList entries;  ///< in the tar's order
    WarningList warnings;
};

/// Cuts a tar (v7, ustar, star, GNU, pax, with sparse files, xattrs and POSIX ACLs) into entries,
/// and reads `pieces` to their end, beyond the tar's own end, so that whoever hashes them has seen
/// every byte. Names are bytes. Where readers of tars differ, this one refuses or does as the tools
/// that images are made with (Go's archive/tar); it repairs nothing. Blocks, and uses the calling
/// thread only. Throws Error{invalid_argument} naming the entry for what is damaged or out of
/// bounds, Error{unsupported} for an image beyond its limits, and whatever `pieces` or `sink`
/// throw.
TarContents read_tar(const TarPieces& pieces, ContentSink& sink, ImageBudget& budget);

}  // namespace banger::image
