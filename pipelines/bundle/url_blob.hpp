#pragma once

#include <string>

#include "pipelines/image/registry/image_source.hpp"

namespace banger::bundle {

/// The `size` bytes that a URL of a catalog stands for: file:// is read in place; https:// and
/// http:// are downloaded, by Range after a cut, `settings` saying how patiently. Not verified.
/// Opening asks nobody; reading throws Error{not_found} naming the URL, {digest_mismatch} when the
/// server says another size, {unavailable} or {timed_out} once there is no try left.
image::Blob open_url(boost::asio::any_io_executor executor, const std::string& url,
                     std::uint64_t size, const image::RegistrySettings& settings);

/// The path of a file:// URL, its percent-encoding undone.
std::string path_of_url(const std::string& url);

/// All of a small file, at most `limit` bytes; throws as reading does.
Task<std::string> fetch_text(boost::asio::any_io_executor executor, std::string url,
                             std::size_t limit, image::RegistrySettings settings);

}  // namespace banger::bundle
