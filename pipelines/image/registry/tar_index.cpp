#include "pipelines/image/registry/tar_index.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "pipelines/io/error.hpp"

namespace banger::image {
namespace {

constexpr std::size_t kReadSize = 64 * 1024;
/// Longer names are passed over: no file of a layout has one.
constexpr std::size_t kMaxName = 512;

struct Free {
    void operator()(archive* a) const noexcept { archive_read_free(a); }
};

/// "a/b" for "./a//b/"; nullopt when it leads out of the archive.
std::optional<std::string> clean_path(std::string_view path) {
    if (path.starts_with('/')) return std::nullopt;
    std::string clean;
    while (!path.empty()) {
        const auto part = path.substr(0, path.find('/'));
        path.remove_prefix(std::min(part.size() + 1, path.size()));
        if (part.empty() || part == ".") continue;
        if (part != "..") {
            clean += (clean.empty() ? "" : "/") + std::string(part);
            continue;
        }
        if (clean.empty()) return std::nullopt;
        const auto slash = clean.rfind('/');
        clean.resize(slash == std::string::npos ? 0 : slash);
    }
    return clean;
}

bool has_dots(std::string_view path) {
    while (!path.empty()) {
        const auto part = path.substr(0, path.find('/'));
        if (part == "..") return true;
        path.remove_prefix(std::min(part.size() + 1, path.size()));
    }
    return false;
}

std::string parent_of(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

std::string shown(std::string_view path) {
    constexpr std::size_t kShown = 100;
    return std::string(path.substr(0, kShown)) + (path.size() > kShown ? "…" : "");
}

}  // namespace

/// Walks from header to header; what is between them is skipped by seeking.
class TarIndex::Reader {
  public:
    explicit Reader(TarIndex& index) : index_(index) {
        struct stat status{};
        if (::fstat(index.file_.get(), &status) != 0) {
            fail_errno(errno, "cannot examine {}", index.name_);
        }
        size_ = static_cast<std::uint64_t>(status.st_size);
        // A spooled file was just written to.
        ::lseek(index.file_.get(), 0, SEEK_SET);
        archive_read_support_format_tar(archive_.get());
        const int opened = archive_read_open_fd(archive_.get(), index.file_.get(), kReadSize);
        if (opened != ARCHIVE_OK) fail_damaged();
    }

    void run(const std::stop_token& stop) {
        std::size_t count = 0;
        archive_entry* entry = nullptr;
        while (next(entry)) {
            if (stop.stop_requested()) fail(Errc::cancelled, "the pull was cancelled");
            if (++count > kMaxEntries) {
                fail(Errc::unsupported, "{} has more entries than the limit of {}", index_.name_,
                     kMaxEntries);
            }
            add(entry);
        }
    }

  private:
    bool next(archive_entry*& entry) {
        const int result = archive_read_next_header(archive_.get(), &entry);
        if (result == ARCHIVE_EOF) return false;
        // A name that is in no locale is only a warning, and no concern of ours.
        if (result != ARCHIVE_OK && result != ARCHIVE_WARN) fail_damaged();
        return true;
    }

    void add(archive_entry* entry) {
        const char* raw = archive_entry_pathname(entry);
        const std::string_view path = raw ? raw : "";
        if (path.size() > kMaxName) return;
        if (path.starts_with('/') || has_dots(path)) {
            fail(Errc::invalid_argument, "{} has an entry '{}', which leads out of it",
                 index_.name_, shown(path));
        }
        auto name = *clean_path(path);
        auto [place, is_new] = index_.entries_.try_emplace(std::move(name));
        auto found = describe(entry, place->first);
        found.twice = !is_new && (found.kind != Kind::other || place->second.kind != Kind::other);
        place->second = std::move(found);
    }

    Entry describe(archive_entry* entry, const std::string& name) {
        Entry found;
        if (const char* target = archive_entry_hardlink(entry)) {
            found.kind = Kind::hard_link;
            found.target = clean_path(target).value_or("");
        } else if (archive_entry_filetype(entry) == AE_IFLNK) {
            const char* raw = archive_entry_symlink(entry);
            const std::string_view link = raw ? raw : "";
            const bool is_within = !link.empty() && !link.starts_with('/');
            found.kind = Kind::symlink;
            if (is_within) {
                found.target = clean_path(parent_of(name) + std::string(link)).value_or("");
            }
        } else if (archive_entry_filetype(entry) == AE_IFREG &&
                   archive_entry_sparse_count(entry) == 0) {
            found.kind = Kind::file;
            found.offset = static_cast<std::uint64_t>(archive_filter_bytes(archive_.get(), 0));
            found.size = static_cast<std::uint64_t>(archive_entry_size(entry));
            check_bounds(found, name);
        }
        return found;
    }

    void check_bounds(const Entry& entry, const std::string& name) const {
        if (entry.offset <= size_ && entry.size <= size_ - entry.offset) return;
        fail(Errc::invalid_argument, "{} is cut short: it ends within '{}'", index_.name_,
             shown(name));
    }

    [[noreturn]] void fail_damaged() {
        const char* text = archive_error_string(archive_.get());
        fail(Errc::invalid_argument, "{} is no sound tar archive: {}", index_.name_,
             text ? text : "unknown error");
    }

    TarIndex& index_;
    std::unique_ptr<archive, Free> archive_{archive_read_new()};
    std::uint64_t size_ = 0;
};

TarIndex::TarIndex(UniqueFd file, std::string name, const std::stop_token& stop)
    : file_(std::move(file)), name_(std::move(name)) {
    Reader(*this).run(stop);
}

const TarIndex::Entry* TarIndex::entry(const std::string& path) const {
    const auto found = entries_.find(path);
    if (found == entries_.end()) return nullptr;
    if (found->second.twice) {
        fail(Errc::invalid_argument, "{} has two entries called '{}'", name_, path);
    }
    return &found->second;
}

Blob TarIndex::part(const Entry& entry) const {
    UniqueFd copy(::fcntl(file_.get(), F_DUPFD_CLOEXEC, 3));
    if (!copy) fail_errno(errno, "cannot open {} once more", name_);
    return {.file = std::move(copy), .stream = nullptr, .offset = entry.offset, .size = entry.size};
}

std::optional<Blob> TarIndex::find(const std::string& path) const {
    const auto* found = entry(path);
    if (!found || found->kind != Kind::file) return std::nullopt;
    return part(*found);
}

std::optional<Blob> TarIndex::find_linked(const std::string& path) const {
    const auto* found = entry(path);
    if (!found) return std::nullopt;
    const bool is_link = found->kind == Kind::symlink || found->kind == Kind::hard_link;
    if (!is_link) return find(path);
    auto target = found->target.empty() ? std::nullopt : find(found->target);
    if (!target) {
        fail(Errc::invalid_argument, "{} has a link '{}' that leads to none of its files", name_,
             shown(path));
    }
    return target;
}

}  // namespace banger::image
