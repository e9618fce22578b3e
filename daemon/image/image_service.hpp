#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/api/types.hpp"
#include "pipelines/io/byte_source.hpp"
#include "pipelines/io/progress.hpp"
#include "pipelines/io/task.hpp"
#include "pipelines/io/unique_fd.hpp"

namespace banger::image {

/// An archive that a client has sent, in a file without a name.
using Archive = std::shared_ptr<const UniqueFd>;

/// Images on this host: <state>/images/<id>/{rootfs.ext4,manifest.json}, a record per name. An
/// image is acknowledged only when its data, directory and record are synced. The same pull asked
/// for twice at once runs once. Cancelling the last waiter stops it.
class ImageService {
  public:
    virtual ~ImageService() = default;
    virtual Task<std::vector<api::ImageInfo>> list() = 0;
    /// By name, id, or reference; nullopt when there is none.
    virtual Task<std::optional<api::ImageInfo>> find(std::string ref) = 0;
    /// As find; throws Error{not_found} with the nearest name.
    virtual Task<api::ImageInfo> show(std::string ref) = 0;
    virtual Task<api::ImageInfo> pull(api::ImagePullRequest request, ProgressSink progress) = 0;
    /// Takes in an archive for pull_archive, as it comes. Throws Error{invalid_argument} for a
    /// reference that does not mean standard input, and for a damaged archive; what `source`
    /// throws; Error{no_space}. Nothing is left of it unless it returns.
    virtual Task<Archive> receive(std::string reference, ByteSource& source) = 0;
    /// As pull; the reference means standard input, and `archive` is what came that way.
    virtual Task<api::ImageInfo> pull_archive(api::ImagePullRequest request, Archive archive,
                                              ProgressSink progress) = 0;
    /// Makes an ext4 file known where it lies. Throws Error{already_exists}, {invalid_argument}
    /// for what is none.
    virtual Task<api::ImageInfo> register_image(api::ImageRegisterRequest request) = 0;
    /// Copies a registered image to where pulled ones are; one that is there already is fine.
    virtual Task<api::ImageInfo> promote(std::string ref, ProgressSink progress) = 0;
    /// Throws Error{unauthorized} when the registry does not let the credential in.
    virtual Task<void> check_registry(api::RegistryCheckRequest request) = 0;
    /// Error{conflict} naming the VMs that use it.
    virtual Task<void> remove(std::string ref) = 0;
    /// The layers that pulls have left for the next one.
    virtual Task<api::ImageCacheInfo> cache() = 0;
    /// Removes some of them, never what a pull under way counts on.
    virtual Task<api::ImageCachePruned> prune_cache(api::ImageCachePruneRequest request) = 0;
    /// At start: sweeps half-made images.
    virtual Task<void> reconcile() = 0;
};

}  // namespace banger::image
