#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipelines/image/pull.hpp"
#include "pipelines/image/registry/resolve.hpp"

namespace banger::image {

struct OpenOptions {
    RegistrySettings registries;
    Credential credential;  ///< for the reference's registry
    std::string spool_dir;  ///< where a compressed archive is inflated, to a file without a name
    /// What came through standard input, spooled; for references that mean it.
    std::shared_ptr<const UniqueFd> standard_input;
};

/// A source and the image that it stands for, found out once: an archive is read into its index, a
/// registry asked for its manifest, and the pull that follows goes on from there. One coroutine
/// uses it at a time.
class OpenedImage {
  public:
    OpenedImage(SourceReference reference, std::unique_ptr<ImageSource> source)
        : reference_(std::move(reference)), source_(std::move(source)) {}

    /// What ResolvedImage::source will be, where one small request tells; nullopt where not.
    Task<std::optional<Digest>> source_digest() { return source_->root_digest(); }
    /// Finds the linux/amd64 image; only the first call does anything. Throws what the source
    /// throws, and Error{unsupported} where there is none.
    Task<void> resolve();
    /// After resolve.
    const ResolvedImage& image() const { return *image_; }

    ImageSource& source() { return *source_; }
    /// Canonical: docker.io/library/debian:bookworm, oci:/path:tag.
    std::string reference() const { return to_string(reference_); }
    /// What to call the image when nobody has said: the name that an archive itself gives its
    /// image, otherwise friendly_name of the reference. Of an archive: after
    /// resolve.
    std::string suggested_name() const;

  private:
    SourceReference reference_;
    std::unique_ptr<ImageSource> source_;
    std::optional<ResolvedImage> image_;
};

/// Parses the reference and opens what it names; a registry is not asked yet.
Task<std::shared_ptr<OpenedImage>> open_image(PullContext context, std::string source,
                                              OpenOptions options);

}  // namespace banger::image
