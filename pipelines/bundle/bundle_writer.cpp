#include "pipelines/bundle/bundle_writer.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/digest.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/json.hpp"
#include "pipelines/io/unique_fd.hpp"

namespace banger::bundle {
namespace {

constexpr std::size_t kBlock = 4096;
constexpr std::size_t kPiece = 1 << 20;
/// A reader takes 65,536 regions; more than that are joined across their smallest holes.
constexpr std::size_t kMaxRegions = 60'000;

struct Region {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
};

void check_wanted(const std::stop_token& stop) {
    if (stop.stop_requested()) fail(Errc::cancelled, "the bundle is not wanted any more");
}

/// Blocks that are not zeros. Holes of the host's file system are only a shortcut to that.
std::vector<Region> find_data(int fd, std::uint64_t size, const std::string& path,
                              const std::stop_token& stop) {
    static constexpr std::array<char, kBlock> kZeros{};
    std::vector<Region> regions;
    std::vector<char> piece(kPiece);
    for (std::uint64_t at = 0; at < size;) {
        check_wanted(stop);
        const auto data = ::lseek(fd, static_cast<off_t>(at), SEEK_DATA);
        if (data < 0 && errno == ENXIO) break;
        // A whole piece at a time from a place that does not depend on where the holes are.
        if (data >= 0) at = std::max(at, static_cast<std::uint64_t>(data) / kPiece * kPiece);
        const auto count = ::pread(fd, piece.data(), piece.size(), static_cast<off_t>(at));
        if (count < 0) fail_errno(errno, "cannot read {}", path);
        if (count == 0) break;
        const auto got = static_cast<std::size_t>(count);
        for (std::size_t block = 0; block < got; block += kBlock) {
            const auto length = std::min(kBlock, got - block);
            if (std::memcmp(piece.data() + block, kZeros.data(), length) == 0) continue;
            const auto offset = at + block;
            if (!regions.empty() && regions.back().offset + regions.back().size == offset) {
                regions.back().size += length;
            } else {
                regions.push_back({offset, length});
            }
        }
        at += got;
    }
    return regions;
}

std::vector<Region> joined(std::vector<Region> regions) {
    for (std::uint64_t least_hole = 2 * kBlock; regions.size() > kMaxRegions; least_hole *= 2) {
        std::vector<Region> fewer;
        for (const auto& region : regions) {
            if (!fewer.empty() &&
                region.offset - (fewer.back().offset + fewer.back().size) < least_hole) {
                fewer.back().size = region.offset + region.size - fewer.back().offset;
            } else {
                fewer.push_back(region);
            }
        }
        regions = std::move(fewer);
    }
    return regions;
}

/// A file that gets its name at the end.
class NewFile {
  public:
    explicit NewFile(const std::string& directory)
        : directory_(directory),
          temporary_(directory + fmt::format("/.bundle.tmp-{}", ::getpid())),
          fd_(open_file(temporary_, O_WRONLY | O_CREAT | O_TRUNC, 0644)) {}
    ~NewFile() {
        if (!temporary_.empty()) ::unlink(temporary_.c_str());
    }
    NewFile(const NewFile&) = delete;
    NewFile& operator=(const NewFile&) = delete;

    /// libarchive's callback.
    static la_ssize_t write(archive* writer, void* self, const void* bytes,
                            std::size_t size) noexcept try {
        static_cast<NewFile*>(self)->append({static_cast<const char*>(bytes), size});
        return static_cast<la_ssize_t>(size);
    } catch (const std::exception& error) {
        archive_set_error(writer, EIO, "%s", error.what());
        return -1;
    }

    WrittenBundle publish(const ImageManifest& manifest) {
        if (::fsync(fd_.get()) != 0) fail_errno(errno, "cannot sync {}", temporary_);
        WrittenBundle written{.path = {}, .sha256 = hasher_.finish().hex, .size = size_};
        written.path =
            directory_ + "/" + bundle_file_name(manifest.name, manifest.arch, written.sha256);
        if (::rename(temporary_.c_str(), written.path.c_str()) != 0) {
            fail_errno(errno, "cannot rename {} to {}", temporary_, written.path);
        }
        temporary_.clear();
        sync_path(directory_);
        return written;
    }

  private:
    void append(std::string_view bytes) {
        hasher_.update(bytes);
        size_ += bytes.size();
        while (!bytes.empty()) {
            const auto count = ::write(fd_.get(), bytes.data(), bytes.size());
            if (count < 0 && errno == EINTR) continue;
            if (count < 0) fail_errno(errno, "cannot write {}", temporary_);
            bytes.remove_prefix(static_cast<std::size_t>(count));
        }
    }

    std::string directory_;
    std::string temporary_;
    UniqueFd fd_;
    Hasher hasher_;
    std::uint64_t size_ = 0;
};

/// A tar.zst under way.
class TarWriter {
  public:
    TarWriter(NewFile& file, int level) : archive_(archive_write_new(), archive_write_free) {
        auto* writer = archive_.get();
        check(archive_write_add_filter_zstd(writer));
        check(archive_write_set_format_pax_restricted(writer));
        check(archive_write_set_filter_option(writer, "zstd", "compression-level",
                                              std::to_string(level).c_str()));
        // Two workers or twenty give the same bytes; one that this libarchive cannot have, none.
        archive_write_set_filter_option(writer, "zstd", "threads", "2");
        archive_write_set_bytes_in_last_block(writer, 1);
        check(archive_write_open(writer, &file, nullptr, NewFile::write, nullptr));
    }

    void begin(const char* name, std::uint64_t size, const std::vector<Region>& regions) {
        const std::unique_ptr<archive_entry, decltype(&archive_entry_free)> entry(
            archive_entry_new(), archive_entry_free);
        archive_entry_set_pathname(entry.get(), name);
        archive_entry_set_size(entry.get(), static_cast<la_int64_t>(size));
        archive_entry_set_filetype(entry.get(), AE_IFREG);
        archive_entry_set_perm(entry.get(), 0644);
        archive_entry_set_mtime(entry.get(), 0, 0);
        for (const auto& region : regions) {
            archive_entry_sparse_add_entry(entry.get(), static_cast<la_int64_t>(region.offset),
                                           static_cast<la_int64_t>(region.size));
        }
        check(archive_write_header(archive_.get(), entry.get()));
    }

    void append(const char* bytes, std::size_t size) {
        while (size > 0) {
            const auto count = archive_write_data(archive_.get(), bytes, size);
            if (count <= 0) check(ARCHIVE_FATAL);
            bytes += count;
            size -= static_cast<std::size_t>(count);
        }
    }

    void close() { check(archive_write_close(archive_.get())); }

  private:
    void check(int result) {
        if (result >= ARCHIVE_WARN) return;
        const char* why = archive_error_string(archive_.get());
        fail(Errc::internal, "cannot write the bundle: {}", why != nullptr ? why : "unknown");
    }
    std::unique_ptr<archive, decltype(&archive_write_free)> archive_;
};

/// libarchive is given the holes, too, and leaves them out.
void append_file(TarWriter& tar, int fd, std::uint64_t size, const std::vector<Region>& regions,
                 const std::string& path, const std::stop_token& stop) {
    const std::vector<char> zeros(kPiece);
    std::vector<char> piece(kPiece);
    std::uint64_t at = 0;
    const auto skip_to = [&](std::uint64_t end) {
        while (at < end) {
            const auto part = std::min<std::uint64_t>(end - at, zeros.size());
            tar.append(zeros.data(), static_cast<std::size_t>(part));
            at += part;
        }
    };
    for (const auto& region : regions) {
        skip_to(region.offset);
        while (at < region.offset + region.size) {
            check_wanted(stop);
            const auto want = std::min<std::uint64_t>(region.offset + region.size - at, kPiece);
            const auto count =
                ::pread(fd, piece.data(), static_cast<std::size_t>(want), static_cast<off_t>(at));
            if (count <= 0) fail_errno(count == 0 ? EIO : errno, "cannot read {}", path);
            tar.append(piece.data(), static_cast<std::size_t>(count));
            at += static_cast<std::uint64_t>(count);
        }
    }
    skip_to(size);
}

}  // namespace

WrittenBundle write_bundle_blocking(const std::string& rootfs, const ImageManifest& manifest,
                                    const std::string& directory, int level, std::stop_token stop) {
    const auto fd = open_file(rootfs, O_RDONLY);
    struct stat status{};
    if (::fstat(fd.get(), &status) != 0) fail_errno(errno, "cannot look at {}", rootfs);
    const auto size = static_cast<std::uint64_t>(status.st_size);
    const auto regions = joined(find_data(fd.get(), size, rootfs, stop));
    const auto text = boost::json::serialize(to_json(manifest)) + "\n";
    NewFile file(directory);
    TarWriter tar(file, level);
    tar.begin("manifest.json", text.size(), {});
    tar.append(text.data(), text.size());
    tar.begin("rootfs.ext4", size, regions);
    append_file(tar, fd.get(), size, regions, rootfs, stop);
    tar.close();
    return file.publish(manifest);
}

}  // namespace banger::bundle
