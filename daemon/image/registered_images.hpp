#pragma once

#include <stop_token>
#include <string>

#include "daemon/api/types.hpp"

// Images that lie where their owner has put them. All of it blocks.
namespace banger::image {

/// What there is to say of a file system that is made known; it is looked at, not touched. Throws
/// Error{not_found}, and {invalid_argument} for what is no ext4.
api::ImageInfo describe_registered_blocking(const api::ImageRegisterRequest& request);

/// Copies a registered image's file system to `staging`, which is made, its zeros left out, and
/// syncs it. Gives what it is from then on; `rootfs_path` is the caller's to fill in.
api::ImageInfo copy_registered_blocking(const api::ImageInfo& image, const std::string& staging,
                                        std::stop_token stop);

}  // namespace banger::image
