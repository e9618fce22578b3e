#pragma once

#include <string>
#include <string_view>

#include "daemon/image/local_images.hpp"

// Images that catalogs name: what differs from a pull by reference.
namespace banger::image {

/// One directory per content: the same digest and size are the same bytes.
std::string image_id(const Digest& digest, std::uint64_t size);

/// Whether a text may be a name in a catalog; most references can be none.
bool may_be_entry(std::string_view reference);

/// Makes a request by a name one for the container image that it stands for.
void take_reference(api::ImagePullRequest& request, const api::AvailableEntry& entry);

/// Throws Error{unsupported} for what cannot be asked of a bundle, and for a kind that is none.
void check_bundle(const api::ImagePullRequest& request, const api::AvailableEntry& entry);

/// Pulls a bundle and publishes its directory; its record is the caller's business.
Task<api::ImageInfo> fetch_bundle(const ImageServiceParts& parts, api::AvailableEntry entry,
                                  ProgressSink progress);

}  // namespace banger::image
