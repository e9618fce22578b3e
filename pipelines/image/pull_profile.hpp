#pragma once

#include <array>

#include "pipelines/io/progress.hpp"
#include "pipelines/io/stage_meter.hpp"

namespace banger::image {

/// Where the time of a pull goes, by stage. Layers side by side add up in one meter. What is
/// written to the blob cache counts as neither.
struct PullProfile {
    StageMeter network;    ///< from the source to memory; waits for a decoder that is behind
    StageMeter blob_hash;  ///< of the compressed bytes; waits for the network
    StageMeter inflate;    ///< waits for the tar stages; bytes are those that came out
    StageMeter tar_hash;   ///< waits for inflate
    StageMeter tar_parse;  ///< into entries, their content into buffers
    StageMeter write;      ///< of content; busy while a write is under way, waiting for a buffer
    StageMeter merge;      ///< the layers' entries into one tree
    StageMeter metadata;   ///< everything of the file system but content; bytes are not counted
    StageMeter sync;       ///< fsync

    /// Stage "profile", item the name of the meter.
    void report(const ProgressSink& progress) const;
};

}  // namespace banger::image
