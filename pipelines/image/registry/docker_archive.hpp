#pragma once

#include "pipelines/image/pull.hpp"
#include "pipelines/image/registry/image_source.hpp"
#include "pipelines/image/registry/tar_index.hpp"

namespace banger::image {

/// What `docker save`, `podman save` and `skopeo copy … docker-archive:` write: manifest.json names
/// each image's configuration and layers. Such an archive has no manifest, so the image's digest is
/// that of the schema 2 manifest which skopeo makes up for it: configuration and layers, each by
/// media type, size and digest. The same archive has the same digest, whatever it is packed with;
/// and what is verified is as much as anywhere else: the layers by the configuration's diff_ids.
///
/// `image` is the canonical reference of the one wanted; empty: the only one there.
std::unique_ptr<ImageSource> make_docker_archive(PullContext context,
                                                 std::unique_ptr<TarIndex> files,
                                                 std::string image);

}  // namespace banger::image
