#include "pipelines/image/tar_stream.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <limits>
#include <memory>
#include <string_view>

#include "pipelines/image/posix_acl.hpp"
#include "pipelines/io/error.hpp"

namespace banger::image {
namespace {

constexpr std::size_t kMaxPath = 4096;
constexpr std::size_t kMaxLinkTarget = 4095;
constexpr std::size_t kMaxComponent = 255;
constexpr std::size_t kMaxDepth = 1024;
constexpr int kMaxSparseRegions = 65'536;
constexpr std::size_t kMaxXattrValue = 64 * 1024;
constexpr std::size_t kMaxXattrTotal = 256 * 1024;
/// ext4 counts a file's blocks in 32 bits.
constexpr std::uint64_t kMaxFileBytes = 0xFFFFFFFFull * kBlockSize;

/// libarchive converts pax names from UTF-8 to the thread's locale, normalising them on the way,
/// unless that fails: then it hands out the raw bytes. In the C locale it always fails where it
/// would matter.
class CLocale {
  public:
    CLocale() : c_(::newlocale(LC_ALL_MASK, "C", nullptr)), before_(::uselocale(c_)) {}
    ~CLocale() {
        ::uselocale(before_);
        ::freelocale(c_);
    }
    CLocale(const CLocale&) = delete;
    CLocale& operator=(const CLocale&) = delete;

  private:
    locale_t c_;
    locale_t before_;
};

/// archive_read with its input and the exception that its callback could not throw.
class TarReader {
  public:
    explicit TarReader(const TarPieces& pieces) : pieces_(pieces) {
        archive_read_support_format_tar(archive_.get());
        archive_read_support_format_empty(archive_.get());
        check(archive_read_open(archive_.get(), this, nullptr, &TarReader::read, nullptr),
              "the layer");
    }

    archive* get() const { return archive_.get(); }

    /// Null at the end of the tar.
    archive_entry* next_entry() {
        archive_entry* entry = nullptr;
        const int result = archive_read_next_header(archive_.get(), &entry);
        if (result == ARCHIVE_EOF) return nullptr;
        const char* path = entry ? archive_entry_pathname(entry) : nullptr;
        check(result, path ? std::string("'") + path + "'" : "an entry");
        return entry;
    }

    /// False at the end of the entry.
    bool next_block(std::span<const std::byte>& bytes, std::uint64_t& offset,
                    const std::string& path) {
        const void* data = nullptr;
        std::size_t size = 0;
        la_int64_t at = 0;
        const int result = archive_read_data_block(archive_.get(), &data, &size, &at);
        if (result == ARCHIVE_EOF) return false;
        check(result, "'" + path + "'");
        bytes = {static_cast<const std::byte*>(data), size};
        offset = static_cast<std::uint64_t>(at);
        return true;
    }

    void drain() {
        while (!at_end_)
            at_end_ = pieces_().empty();
    }

  private:
    static la_ssize_t read(archive*, void* self, const void** data) noexcept {
        return static_cast<TarReader*>(self)->read_piece(data);
    }

    la_ssize_t read_piece(const void** data) noexcept try {
        if (at_end_) return 0;
        const auto piece = pieces_();
        at_end_ = piece.empty();
        *data = piece.data();
        return static_cast<la_ssize_t>(piece.size());
    } catch (...) {
        error_ = std::current_exception();
        archive_set_error(archive_.get(), EIO, "the input failed");
        return ARCHIVE_FATAL;
    }

    /// A name that is not in the locale is only a warning and no concern of ours. Every other
    /// warning means that something in the header was damaged and left out.
    void check(int result, const std::string& what) {
        if (error_) std::rethrow_exception(error_);
        if (result == ARCHIVE_OK) return;
        const char* text = archive_error_string(archive_.get());
        const std::string_view message = text ? text : "unknown error";
        if (result == ARCHIVE_WARN && message.find("can't be converted") != message.npos) return;
        fail(Errc::invalid_argument, "damaged tar at {}: {}", what, message);
    }

    struct Free {
        void operator()(archive* a) const noexcept { archive_read_free(a); }
    };
    const TarPieces& pieces_;
    std::unique_ptr<archive, Free> archive_{archive_read_new()};
    std::exception_ptr error_;
    bool at_end_ = false;
};

[[noreturn]] void refuse(std::string_view path, std::string_view why) {
    constexpr std::size_t kShown = 100;
    fail(Errc::invalid_argument, "bad tar entry '{}{}': {}", path.substr(0, kShown),
         path.size() > kShown ? "…" : "", why);
}

void check_path(std::string_view path) {
    if (path.size() > kMaxPath) refuse(path, "the path is longer than 4096 bytes");
    std::size_t depth = 0;
    for (auto rest = path; !rest.empty();) {
        const auto slash = std::min(rest.find('/'), rest.size());
        if (slash > kMaxComponent) refuse(path, "a name is longer than 255 bytes");
        if (slash > 0) ++depth;
        rest.remove_prefix(std::min(slash + 1, rest.size()));
    }
    if (depth > kMaxDepth) refuse(path, "it lies deeper than 1024 directories");
}

std::uint32_t to_id(la_int64_t id, std::string_view path) {
    if (id < 0 || id > std::numeric_limits<std::uint32_t>::max()) {
        refuse(path, fmt::format("its owner {} does not fit in 32 bits", id));
    }
    return static_cast<std::uint32_t>(id);
}

NodeType to_type(unsigned type, std::string_view path) {
    switch (type) {
        case AE_IFREG:
            return NodeType::regular;
        case AE_IFDIR:
            return NodeType::directory;
        case AE_IFLNK:
            return NodeType::symlink;
        case AE_IFCHR:
            return NodeType::char_device;
        case AE_IFBLK:
            return NodeType::block_device;
        case AE_IFIFO:
            return NodeType::fifo;
        case AE_IFSOCK:
            return NodeType::socket;
        default:
            refuse(path, fmt::format("unknown type {:o}", type));
    }
}

using Xattrs = std::vector<std::pair<std::string, std::string>>;

/// Tars may carry an attribute in two dialects; the one that comes last counts.
void set_xattr(Xattrs& xattrs, std::string name, std::string value) {
    for (auto& [known, old] : xattrs) {
        if (known != name) continue;
        old = std::move(value);
        return;
    }
    xattrs.emplace_back(std::move(name), std::move(value));
}

void add_acls(archive_entry* entry, LayerEntry& out, WarningList& warnings) {
    if ((archive_entry_acl_types(entry) & ARCHIVE_ENTRY_ACL_TYPE_POSIX1E) == 0) return;
    try {
        auto& xattrs = out.attributes.xattrs;
        if (auto acl = posix_acl_xattr(entry, AclKind::access)) {
            set_xattr(xattrs, "system.posix_acl_access", std::move(*acl));
        }
        if (auto acl = posix_acl_xattr(entry, AclKind::default_acl)) {
            set_xattr(xattrs, "system.posix_acl_default", std::move(*acl));
        }
    } catch (const Error& error) {
        warnings.add(fmt::format("dropped the ACL of '{}': {}", out.path, error.what()));
    }
}

void add_xattrs(archive_entry* entry, LayerEntry& out) {
    std::size_t total = 0;
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    archive_entry_xattr_reset(entry);
    while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
        if (size > kMaxXattrValue) refuse(out.path, fmt::format("xattr {} is over 64 KiB", name));
        if ((total += size) > kMaxXattrTotal) refuse(out.path, "its xattrs are over 256 KiB");
        set_xattr(out.attributes.xattrs, name, std::string(static_cast<const char*>(value), size));
    }
}

std::string link_text(const char* text, std::string_view path) {
    const std::string target = text ? text : "";
    if (target.empty()) refuse(path, "its link target is empty");
    if (target.size() > kMaxLinkTarget) refuse(path, "its link target is longer than 4095 bytes");
    return target;
}

/// All of an entry but its content and extended attributes.
LayerEntry to_entry(archive_entry* entry) {
    LayerEntry out;
    const char* path = archive_entry_pathname(entry);
    out.path = path ? path : "";
    check_path(out.path);
    if (const char* target = archive_entry_hardlink(entry)) {
        out.is_hard_link = true;
        out.link_target = link_text(target, out.path);
        if (archive_entry_size(entry) > 0) refuse(out.path, "a hard link has content of its own");
    } else {
        out.type = to_type(archive_entry_filetype(entry), out.path);
    }
    if (out.type == NodeType::symlink) {
        out.link_target = link_text(archive_entry_symlink(entry), out.path);
    }
    out.attributes.mode = static_cast<std::uint16_t>(archive_entry_perm(entry) & 07777);
    out.attributes.uid = to_id(archive_entry_uid(entry), out.path);
    out.attributes.gid = to_id(archive_entry_gid(entry), out.path);
    out.attributes.mtime = {archive_entry_mtime(entry),
                            static_cast<std::uint32_t>(archive_entry_mtime_nsec(entry))};
    if (out.type == NodeType::char_device || out.type == NodeType::block_device) {
        out.device_major = static_cast<std::uint32_t>(archive_entry_rdevmajor(entry));
        out.device_minor = static_cast<std::uint32_t>(archive_entry_rdevminor(entry));
    }
    return out;
}

void read_content(TarReader& tar, archive_entry* entry, LayerEntry& out, ContentSink& sink,
                  ImageBudget& budget) {
    const auto size = archive_entry_size(entry);
    if (size < 0 || static_cast<std::uint64_t>(size) > kMaxFileBytes) {
        refuse(out.path, fmt::format("its size {} is out of bounds", size));
    }
    if (archive_entry_sparse_count(entry) > kMaxSparseRegions) {
        refuse(out.path, fmt::format("it has over {} sparse regions", kMaxSparseRegions));
    }
    out.size = static_cast<std::uint64_t>(size);
    sink.begin_file();
    std::uint64_t position = 0, offset = 0;
    for (std::span<const std::byte> bytes; tar.next_block(bytes, offset, out.path);) {
        if (offset < position || offset + bytes.size() > out.size) {
            refuse(out.path, "its sparse regions are out of order");
        }
        if (offset > position) sink.skip(offset - position);
        budget.take_bytes(bytes.size());
        sink.append(bytes);
        position = offset + bytes.size();
    }
    if (position < out.size) sink.skip(out.size - position);
    out.extents = sink.end_file();
}

/// What an entry keeps in memory until the image is written; its own struct is what kMaxEntries
/// bounds.
std::uint64_t metadata_bytes(const LayerEntry& entry) {
    constexpr std::uint64_t kOverhead = 64;  // of an allocation or two
    auto bytes = kOverhead + entry.path.size() + entry.link_target.size() +
                 entry.extents.size() * sizeof(Extent);
    for (const auto& [name, value] : entry.attributes.xattrs)
        bytes += kOverhead + name.size() + value.size();
    return bytes;
}

}  // namespace

ImageBudget::~ImageBudget() {
    if (!whole_) return;
    whole_->entries_ -= entries_;
    whole_->bytes_ -= bytes_;
    whole_->metadata_ -= metadata_;
}

void ImageBudget::take_entry() {
    if (whole_) whole_->take_entry();
    if (entries_.fetch_add(1) < kMaxEntries) return;
    fail(Errc::unsupported, "the image has more than the limit of {} files", kMaxEntries);
}

void ImageBudget::take_bytes(std::uint64_t bytes) {
    if (whole_) whole_->take_bytes(bytes);
    if (bytes_.fetch_add(bytes) + bytes <= kMaxBytes) return;
    fail(Errc::unsupported, "the image is larger than the limit of {} GiB", kMaxBytes >> 30);
}

void ImageBudget::take_metadata(std::uint64_t bytes) {
    if (whole_) whole_->take_metadata(bytes);
    if (metadata_.fetch_add(bytes) + bytes <= kMaxMetadata) return;
    fail(Errc::unsupported, "the image's names, links and xattrs are over the limit of {} GiB",
         kMaxMetadata >> 30);
}

TarContents read_tar(const TarPieces& pieces, ContentSink& sink, ImageBudget& budget) {
    const CLocale bytes_are_bytes;
    TarContents contents;
    TarReader tar(pieces);
    while (auto* entry = tar.next_entry()) {
        budget.take_entry();
        auto out = to_entry(entry);
        add_xattrs(entry, out);
        add_acls(entry, out, contents.warnings);
        if (out.type == NodeType::regular && !out.is_hard_link) {
            read_content(tar, entry, out, sink, budget);
        }
        budget.take_metadata(metadata_bytes(out));
        contents.entries.push_back(std::move(out));
    }
    tar.drain();
    return contents;
}

}  // namespace banger::image
