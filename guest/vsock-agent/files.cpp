#include "guest/vsock-agent/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "guest/vsock-agent/fd.hpp"

namespace banger::guest {

int read_small_file(const char* path, std::string& content) {
    Fd fd{::open(path, O_RDONLY | O_CLOEXEC)};
    if (!fd) return -errno;
    content.clear();
    char buffer[4096];
    for (;;) {
        const ssize_t count = ::read(fd.get(), buffer, sizeof buffer);
        if (count == 0) return 0;
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return -errno;
        content.append(buffer, static_cast<std::size_t>(count));
    }
}

int write_small_file(const char* path, std::string_view content, mode_t mode) {
    Fd fd{::open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)};
    if (!fd) return -errno;
    return write_all(fd.get(), content);
}

int write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t count = ::write(fd, bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return -errno;
        bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return 0;
}

int make_directory(const char* path, mode_t mode) {
    if (::mkdir(path, mode) == 0) return 0;
    if (errno == EEXIST && is_directory(path)) return 0;
    return -errno;
}

bool is_directory(const char* path) {
    struct stat status{};
    return ::stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

}  // namespace banger::guest
