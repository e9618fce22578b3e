#include "pipelines/kernel/deb_package.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <memory>

#include "pipelines/io/error.hpp"
#include "pipelines/io/unique_fd.hpp"

namespace banger::kernel {

namespace {

constexpr la_int64_t kLargestFile = la_int64_t{512} << 20;
constexpr la_int64_t kLargestTree = la_int64_t{16} << 30;
constexpr std::size_t kBlock = 64 * 1024;

using Archive = std::unique_ptr<archive, decltype(&archive_read_free)>;

[[noreturn]] void fail_not_a_package(const std::string& deb, const char* reason) {
    fail(Errc::invalid_argument, "{} is not a whole Debian package: {}", deb,
         reason != nullptr ? reason : "it ends too early");
}

/// The ar archive around a package, standing at its data.tar member.
class DataMember {
  public:
    explicit DataMember(const std::string& deb)
        : deb_(deb),
          fd_(open_file(deb, O_RDONLY | O_NONBLOCK)),
          reader_(archive_read_new(), archive_read_free) {
        struct stat status{};
        if (::fstat(fd_.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
            fail_not_a_package(deb, "it is no regular file");
        }
        if (archive_read_support_format_ar(reader_.get()) != ARCHIVE_OK ||
            archive_read_open_fd(reader_.get(), fd_.get(), kBlock) != ARCHIVE_OK ||
            next_member() != "debian-binary") {
            fail_not_a_package(deb, "it does not begin with debian-binary");
        }
        while (!next_member().starts_with("data.tar")) {
        }
    }

    /// For archive_read_open: the member's bytes.
    static la_ssize_t read(archive* inner, void* self, const void** block) noexcept {
        auto& member = *static_cast<DataMember*>(self);
        *block = member.buffer_.data();
        const auto got =
            archive_read_data(member.reader_.get(), member.buffer_.data(), member.buffer_.size());
        if (got < 0) {
            archive_set_error(inner, EINVAL, "%s", archive_error_string(member.reader_.get()));
            return ARCHIVE_FATAL;
        }
        return got;
    }

  private:
    std::string next_member() {
        archive_entry* entry = nullptr;
        const int result = archive_read_next_header(reader_.get(), &entry);
        if (result == ARCHIVE_EOF) fail_not_a_package(deb_, "it has no data.tar");
        if (result != ARCHIVE_OK) fail_not_a_package(deb_, archive_error_string(reader_.get()));
        const char* name = archive_entry_pathname(entry);
        return name != nullptr ? name : "";
    }

    std::string deb_;
    UniqueFd fd_;
    Archive reader_;
    std::array<char, kBlock> buffer_;
};

/// "./boot/vmlinuz" is "boot/vmlinuz"; a path that leaves the tree throws.
std::string inner_path(const std::string& deb, archive_entry* entry) {
    const char* raw = archive_entry_pathname(entry);
    std::string path = raw != nullptr ? raw : "";
    if (path.starts_with("./")) path.erase(0, 2);
    if (path.starts_with('/') || ("/" + path + "/").find("/../") != std::string::npos) {
        fail(Errc::invalid_argument, "{} holds a path that leaves the package: {}", deb, path);
    }
    return path;
}

std::string read_entry(const std::string& deb, archive* reader, archive_entry* entry) {
    if (archive_entry_size(entry) > kLargestFile) {
        fail(Errc::invalid_argument, "{} holds a file of more than {} MiB: {}", deb,
             kLargestFile >> 20, archive_entry_pathname(entry));
    }
    std::string bytes(static_cast<std::size_t>(archive_entry_size(entry)), '\0');
    std::size_t filled = 0;
    while (filled < bytes.size()) {
        const auto got = archive_read_data(reader, bytes.data() + filled, bytes.size() - filled);
        if (got <= 0) fail_not_a_package(deb, archive_error_string(reader));
        filled += static_cast<std::size_t>(got);
    }
    return bytes;
}

/// The filters that dpkg-deb writes. Enabled one by one: libarchive's "all" may start helper
/// programs.
Archive open_tar(DataMember& member, const std::string& deb) {
    Archive reader(archive_read_new(), archive_read_free);
    archive_read_support_filter_gzip(reader.get());
    archive_read_support_filter_xz(reader.get());
    archive_read_support_filter_zstd(reader.get());
    archive_read_support_format_tar(reader.get());
    if (archive_read_open(reader.get(), &member, nullptr, DataMember::read, nullptr) !=
        ARCHIVE_OK) {
        fail_not_a_package(deb, archive_error_string(reader.get()));
    }
    return reader;
}

}  // namespace

void read_deb_blocking(const std::string& deb, const DebSelect& select, const DebReceive& receive,
                       const std::stop_token& stop) {
    DataMember member(deb);
    const auto reader = open_tar(member, deb);
    la_int64_t total = 0;
    for (;;) {
        if (stop.stop_requested()) fail(Errc::cancelled, "reading {} was cancelled", deb);
        archive_entry* entry = nullptr;
        const int result = archive_read_next_header(reader.get(), &entry);
        if (result == ARCHIVE_EOF) return;
        if (result != ARCHIVE_OK) fail_not_a_package(deb, archive_error_string(reader.get()));
        total += archive_entry_size(entry);
        if (total > kLargestTree) fail_not_a_package(deb, "it unpacks to more than 16 GiB");
        const auto path = inner_path(deb, entry);
        if (archive_entry_filetype(entry) == AE_IFDIR || !select(path)) continue;
        if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) != nullptr) {
            fail(Errc::invalid_argument, "{} holds a link where a file is expected: {}", deb, path);
        }
        receive(path, read_entry(deb, reader.get(), entry));
    }
}

}  // namespace banger::kernel
