#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "pipelines/image/registry/credential.hpp"
#include "pipelines/image/registry/manifest.hpp"
#include "pipelines/image/registry/reference.hpp"
#include "pipelines/image/registry/registry_settings.hpp"
#include "pipelines/io/task.hpp"
#include "pipelines/io/unique_fd.hpp"

namespace banger::image {

/// The bytes of one blob as they come over the network. Reads on after cut connections, where the
/// source can. Not verified: whoever reads hashes. Throws when it delivers more or less than
/// promised.
class BlobStream {
  public:
    virtual ~BlobStream() = default;
    /// Before the first read: the first `bytes` are not wanted, and not asked for where the source
    /// can leave them out.
    virtual void skip(std::uint64_t bytes) = 0;
    /// Up to buffer.size() bytes; 0 at the end.
    virtual Task<std::size_t> read_some(std::span<std::byte> buffer) = 0;
};

/// A blob: a part of a local file, or a stream.
struct Blob {
    UniqueFd file;
    std::unique_ptr<BlobStream> stream;
    std::uint64_t offset = 0;  ///< of the file
    std::uint64_t size = 0;    ///< of the part

    /// Of a local one: what fits into the buffer from `at` on, less at its end. Blocks; several may
    /// read at once. Throws Error{internal}.
    std::size_t read_at(std::uint64_t at, std::span<std::byte> buffer) const;
};

/// A manifest or index with the digest it is known by.
struct Document {
    ManifestDocument content;
    Digest digest;
};

/// Where an image comes from: a registry, a layout or an archive on disk. Used by the loop's
/// thread; outlives its streams. Several blobs may be read at once.
class ImageSource {
  public:
    virtual ~ImageSource() = default;
    /// What the reference stands for. Throws Error{not_found} naming it.
    virtual Task<Document> root() = 0;
    /// The digest of what root() would give, where that can be had for less; nullopt where not, and
    /// where something is wrong, which root() then tells.
    virtual Task<std::optional<Digest>> root_digest() { co_return std::nullopt; }
    /// A manifest or index by digest, verified.
    virtual Task<Document> document(Descriptor descriptor) = 0;
    virtual Task<Blob> open_blob(Descriptor descriptor) = 0;
    /// True when blobs are worth keeping in the cache: they are not on this machine already.
    virtual bool is_remote() const = 0;
    /// A reference that the source itself gives for its image, such as a Docker archive's
    /// "docker.io/library/debian:bookworm"; empty when it has none. After root().
    virtual std::string own_name() const { return {}; }
    /// A blob turned out to be damaged: true when another open_blob would get it from elsewhere.
    virtual bool distrust(const Descriptor&) { return false; }
    /// What the source wants its user to know, in sentences.
    virtual std::vector<std::string> warnings() const { return {}; }
};

/// Of anything but an archive, which open_archive opens. `registries` and `credential` matter to
/// references into a registry only.
std::unique_ptr<ImageSource> open_source(boost::asio::any_io_executor executor,
                                         const SourceReference& reference,
                                         RegistrySettings registries, Credential credential);

/// All of a small local file, not verified. Throws Error{invalid_argument} beyond
/// kMaxDocumentBytes.
std::string read_document(const Blob& blob, std::string_view what);

/// All of a small blob, verified against its descriptor.
Task<std::string> read_small_blob(ImageSource& source, Descriptor descriptor, std::string what);

/// Throws Error{digest_mismatch} unless `body` is what the descriptor says.
void check_document(std::string_view body, const Descriptor& descriptor, std::string_view what);

}  // namespace banger::image
