#include "pipelines/io/atomic_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <random>

#include "pipelines/io/error.hpp"

namespace banger {
namespace {

std::string temporary_name(const std::string& path) {
    std::random_device random;
    return fmt::format("{}.tmp-{:08x}{:08x}", path, random(), random());
}

std::string directory_of(const std::string& path) {
    const auto parent = std::filesystem::path(path).parent_path().string();
    return parent.empty() ? "." : parent;
}

}  // namespace

AtomicFile::AtomicFile(std::string path, unsigned mode)
    : path_(std::move(path)),
      temporary_(temporary_name(path_)),
      fd_(open_file(temporary_, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode)) {}

AtomicFile::~AtomicFile() {
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::string_view bytes) {
    write_all(fd_.get(), bytes, temporary_);
}

void AtomicFile::publish_blocking() {
    if (::fsync(fd_.get()) != 0) fail_errno(errno, "cannot sync {}", temporary_);
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
        fail_errno(errno, "cannot rename {} to {}", temporary_, path_);
    }
    temporary_.clear();
    fd_.reset();
    sync_path(directory_of(path_));
}

void write_all(int fd, std::string_view bytes, std::string_view name) {
    while (!bytes.empty()) {
        const auto count = ::write(fd, bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) fail_errno(errno, "cannot write {}", name);
        bytes.remove_prefix(static_cast<std::size_t>(count));
    }
}

void write_passing_file(const std::string& path, std::string_view bytes, unsigned mode) {
    const auto fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode);
    write_all(fd.get(), bytes, path);
}

void write_file_atomically(const std::string& path, std::string_view bytes, unsigned mode) {
    AtomicFile file(path, mode);
    file.write(bytes);
    file.publish_blocking();
}

std::string read_file(const std::string& path, std::size_t limit) {
    const UniqueFd fd = open_file(path, O_RDONLY);
    std::string text;
    while (text.size() <= limit) {
        // One byte over the limit is asked for, to tell "as large as" from "larger than".
        const auto old = text.size();
        text.resize(old + std::min<std::size_t>(limit - old + 1, 64 * 1024));
        const auto count = ::read(fd.get(), text.data() + old, text.size() - old);
        text.resize(old + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) fail_errno(errno, "cannot read {}", path);
        if (count == 0) return text;
    }
    fail(Errc::invalid_argument, "{} is larger than {} bytes", path, limit);
}

void sync_path(const std::string& path) {
    const UniqueFd fd = open_file(path, O_RDONLY);
    if (::fsync(fd.get()) != 0) fail_errno(errno, "cannot sync {}", path);
}

}  // namespace banger
