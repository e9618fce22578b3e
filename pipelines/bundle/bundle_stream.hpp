#pragma once

#include <functional>
#include <stop_token>
#include <string>

#include "pipelines/image/pull.hpp"
#include "pipelines/image/pull_profile.hpp"
#include "pipelines/image/tar_stream.hpp"
#include "pipelines/io/digest.hpp"

namespace banger::image {
class PlainPieces;
}

namespace banger::bundle {

/// A file that a catalog names, and where to put what is in it.
struct BundleRequest {
    std::string name;  ///< for messages: the entry's
    std::string url;
    Digest digest;
    std::uint64_t size = 0;            ///< bytes of the file
    std::string staging_dir;           ///< made by the pull, and gone when it fails
    image::RegistrySettings settings;  ///< how patiently to download
};

/// Reads what comes out of the file; runs in a thread of its own.
using ConsumePieces = std::function<void(image::PlainPieces&, std::stop_token)>;
/// What follows once all was read and verified, in the same worker.
using Finish = std::function<void(std::stop_token)>;

/// The file in one pass: downloaded by the loop, hashed and inflated by one thread, read by
/// `consume` in another. `finish` runs only when the hash was right. Reports stage "download".
Task<void> stream_bundle(const image::PullContext& context, const BundleRequest& request,
                         image::PullProfile& profile, ConsumePieces consume, Finish finish,
                         ProgressSink progress);

/// read_tar over the pieces of a bundle.
void read_bundle_tar(image::PlainPieces& pieces, image::ContentSink& sink);

/// Throws Error{invalid_argument}: "bundle 'NAME': WHY".
[[noreturn]] void refuse_bundle(const std::string& name, const std::string& why);

}  // namespace banger::bundle
