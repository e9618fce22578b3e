#include "pipelines/image/registry/oci_layout.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "pipelines/io/error.hpp"

namespace banger::image {
namespace {

UniqueFd open_below(int directory, const std::string& name, int flags) {
    return UniqueFd(::openat(directory, name.c_str(), flags | O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
}

/// Opened component by component, through no link.
class DirectoryFiles : public LayoutFiles {
  public:
    explicit DirectoryFiles(const std::string& path)
        : directory_(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
        if (!directory_) fail_errno(errno, "cannot open the OCI layout {}", path);
    }

    std::optional<Blob> find(const std::string& path) const override {
        UniqueFd parent;
        std::size_t begin = 0;
        for (auto slash = path.find('/'); slash != path.npos; slash = path.find('/', begin)) {
            parent = open_below(parent ? parent.get() : directory_.get(),
                                path.substr(begin, slash - begin), O_DIRECTORY);
            if (!parent) return std::nullopt;
            begin = slash + 1;
        }
        // Without O_NONBLOCK a FIFO would wait for a writer that never comes.
        auto file =
            open_below(parent ? parent.get() : directory_.get(), path.substr(begin), O_NONBLOCK);
        struct stat status{};
        if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
            return std::nullopt;
        }
        return Blob{.file = std::move(file),
                    .stream = nullptr,
                    .offset = 0,
                    .size = static_cast<std::uint64_t>(status.st_size)};
    }

  private:
    UniqueFd directory_;
};

std::string ref_name(const Descriptor& descriptor) {
    const auto found = descriptor.annotations.find(std::string(kRefNameAnnotation));
    return found == descriptor.annotations.end() ? std::string() : found->second;
}

class OciLayout : public ImageSource {
  public:
    OciLayout(std::unique_ptr<LayoutFiles> files, std::string place, std::string source,
              std::string tag)
        : files_(std::move(files)),
          place_(std::move(place)),
          source_(std::move(source)),
          tag_(std::move(tag)) {}

    Task<Document> root() override {
        const auto file = files_->find("index.json");
        if (!file) fail(Errc::not_found, "{} has no index.json", place_);
        const auto text = read_document(*file, "the index.json of " + place_);
        auto content = parse_manifest(text, {});
        auto* index = std::get_if<Index>(&content);
        if (!index) {
            fail(Errc::invalid_argument, "the index.json of {} is no image index", place_);
        }
        keep_tagged(*index);
        co_return Document{std::move(content), sha256(text)};
    }

    Task<Document> document(Descriptor descriptor) override {
        auto text = co_await read_small_blob(*this, descriptor, "the manifest");
        co_return Document{parse_manifest(text, descriptor.media_type), descriptor.digest};
    }

    Task<Blob> open_blob(Descriptor descriptor) override {
        const auto& digest = descriptor.digest;
        auto blob = files_->find("blobs/" + digest.algorithm + "/" + digest.hex);
        if (!blob) fail(Errc::not_found, "{} lacks the blob {}", place_, digest.to_string());
        if (blob->size != descriptor.size) {
            fail(Errc::digest_mismatch, "blob {} has {} bytes, its descriptor says {}",
                 digest.short_hex(), blob->size, descriptor.size);
        }
        co_return std::move(*blob);
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
        if (tag_.empty()) {
            check_unambiguous(index, names);
            return;
        }
        std::erase_if(index.manifests, [&](const auto& entry) { return ref_name(entry) != tag_; });
        if (index.manifests.empty()) {
            fail(Errc::not_found, "no image tagged '{}' in {}; it has {}", tag_, place_,
                 names.empty() ? "no tags" : names);
        }
    }

    void check_unambiguous(const Index& index, const std::string& names) const {
        if (index.manifests.empty()) fail(Errc::not_found, "{} has no image in it", place_);
        for (const auto& entry : index.manifests) {
            if (ref_name(entry) == ref_name(index.manifests.front())) continue;
            fail(Errc::invalid_argument, "{} has several images ({}); write {}:TAG", place_, names,
                 source_);
        }
    }

    std::unique_ptr<LayoutFiles> files_;
    std::string place_;
    std::string source_;
    std::string tag_;
};

}  // namespace

std::unique_ptr<ImageSource> open_layout(const LayoutReference& reference) {
    return make_layout(std::make_unique<DirectoryFiles>(reference.path),
                       "the OCI layout " + reference.path,
                       LayoutReference{reference.path, {}}.to_string(), reference.tag);
}

std::unique_ptr<ImageSource> make_layout(std::unique_ptr<LayoutFiles> files, std::string place,
                                         std::string source, std::string tag) {
    return std::make_unique<OciLayout>(std::move(files), std::move(place), std::move(source),
                                       std::move(tag));
}

}  // namespace banger::image
