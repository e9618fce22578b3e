#include "pipelines/image/registry/oci_layout.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "pipelines/io/error.hpp"
#include "pipelines/io/json.hpp"

namespace banger::image {
namespace {

UniqueFd open_below(int directory, const std::string& name, int flags) {
    return UniqueFd(::openat(directory, name.c_str(), flags | O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
}

std::string read_document(int fd, std::string_view what) {
    std::string text(kMaxDocumentBytes + 1, '\0');
    std::size_t size = 0;
    while (size < text.size()) {
        const auto count = ::read(fd, text.data() + size, text.size() - size);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) fail_errno(errno, "cannot read {}", what);
        if (count == 0) break;
        size += static_cast<std::size_t>(count);
    }
    if (size > kMaxDocumentBytes) {
        fail(Errc::invalid_argument, "{} is larger than {} bytes", what, kMaxDocumentBytes);
    }
    text.resize(size);
    return text;
}

std::string ref_name(const Descriptor& descriptor) {
    const auto found = descriptor.annotations.find(std::string(kRefNameAnnotation));
    return found == descriptor.annotations.end() ? std::string() : found->second;
}

class OciLayout : public ImageSource {
  public:
    explicit OciLayout(const LayoutReference& reference) : reference_(reference) {
        directory_ = UniqueFd(::open(reference.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!directory_) fail_errno(errno, "cannot open the OCI layout {}", reference.path);
    }

    Task<Document> root() override {
        auto file = open_below(directory_.get(), "index.json", 0);
        if (!file) {
            fail(Errc::not_found, "{} is no OCI layout: it has no index.json", reference_.path);
        }
        const auto text = read_document(file.get(), reference_.path + "/index.json");
        auto content = parse_manifest(text, {});
        auto* index = std::get_if<Index>(&content);
        if (!index) {
            fail(Errc::invalid_argument, "{}/index.json is no image index", reference_.path);
        }
        keep_tagged(*index);
        co_return Document{std::move(content), sha256(text)};
    }

    Task<Document> document(Descriptor descriptor) override {
        auto text = co_await read_small_blob(*this, descriptor, "the manifest");
        co_return Document{parse_manifest(text, descriptor.media_type), descriptor.digest};
    }

    Task<Blob> open_blob(Descriptor descriptor) override {
        auto blobs = open_below(directory_.get(), "blobs", O_DIRECTORY);
        auto algorithm = open_below(blobs.get(), descriptor.digest.algorithm, O_DIRECTORY);
        auto file = open_below(algorithm.get(), descriptor.digest.hex, 0);
        struct stat status{};
        if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
            fail(Errc::not_found, "the OCI layout {} lacks the blob {}", reference_.path,
                 descriptor.digest.to_string());
        }
        if (static_cast<std::uint64_t>(status.st_size) != descriptor.size) {
            fail(Errc::digest_mismatch, "blob {} has {} bytes, its descriptor says {}",
                 descriptor.digest.short_hex(), status.st_size, descriptor.size);
        }
        co_return Blob{std::move(file), nullptr};
    }

    bool is_remote() const override { return false; }

  private:
    /// A tag may stand at several entries: one per platform. Without a tag everything must share
    /// one.
    void keep_tagged(Index& index) const {
        std::string names;
        for (const auto& entry : index.manifests) {
            const auto name = ref_name(entry);
            if (!name.empty()) names += (names.empty() ? "" : ", ") + name;
        }
        if (reference_.tag.empty()) {
            check_unambiguous(index, names);
            return;
        }
        std::erase_if(index.manifests,
                      [&](const auto& entry) { return ref_name(entry) != reference_.tag; });
        if (index.manifests.empty()) {
            fail(Errc::not_found, "no image tagged '{}' in the OCI layout {}; it has {}",
                 reference_.tag, reference_.path, names.empty() ? "no tags" : names);
        }
    }

    void check_unambiguous(const Index& index, const std::string& names) const {
        if (index.manifests.empty()) {
            fail(Errc::not_found, "the OCI layout {} has no image in it", reference_.path);
        }
        for (const auto& entry : index.manifests) {
            if (ref_name(entry) == ref_name(index.manifests.front())) continue;
            fail(Errc::invalid_argument,
                 "the OCI layout {} has several images ({}); write oci:{}:TAG", reference_.path,
                 names, reference_.path);
        }
    }

    LayoutReference reference_;
    UniqueFd directory_;
};

}  // namespace

std::unique_ptr<ImageSource> open_layout(const LayoutReference& reference) {
    return std::make_unique<OciLayout>(reference);
}

}  // namespace banger::image
