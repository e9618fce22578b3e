#include "guest/vsock-agent/copy_tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "guest/vsock-agent/fd.hpp"

namespace banger::guest {
namespace {

int copy_bytes(const std::string& from, const std::string& to) {
    Fd in{::open(from.c_str(), O_RDONLY | O_CLOEXEC)};
    Fd out{::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
    if (!in || !out) return -errno;
    ssize_t count = 0;
    do {
        count = ::sendfile(out.get(), in.get(), nullptr, 1 << 20);
    } while (count > 0 || (count < 0 && errno == EINTR));
    return count < 0 ? -errno : 0;
}

int copy_link(const std::string& from, const std::string& to) {
    char target[4096];
    const ssize_t length = ::readlink(from.c_str(), target, sizeof target - 1);
    if (length < 0) return -errno;
    target[length] = '\0';
    return ::symlink(target, to.c_str()) == 0 ? 0 : -errno;
}

void copy_xattrs(const std::string& from, const std::string& to) {
    std::vector<char> names(64 * 1024);
    const ssize_t length = ::llistxattr(from.c_str(), names.data(), names.size());
    std::vector<char> value(64 * 1024);
    for (ssize_t at = 0; at < length;) {
        const char* name = names.data() + at;
        at += static_cast<ssize_t>(std::strlen(name)) + 1;
        const ssize_t size = ::lgetxattr(from.c_str(), name, value.data(), value.size());
        if (size < 0) continue;
        ::lsetxattr(to.c_str(), name, value.data(), static_cast<std::size_t>(size), 0);
    }
}

// The owner first: changing it clears setuid bits and file capabilities. Times last of all.
int copy_attributes(const struct stat& status, const std::string& from, const std::string& to) {
    if (::lchown(to.c_str(), status.st_uid, status.st_gid) != 0) return -errno;
    if (!S_ISLNK(status.st_mode) && ::chmod(to.c_str(), status.st_mode & 07777) != 0) return -errno;
    copy_xattrs(from, to);
    const timespec times[2] = {status.st_atim, status.st_mtim};
    if (::utimensat(AT_FDCWD, to.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) return -errno;
    return 0;
}

int copy_entry(const std::string& from, const std::string& to);

int copy_children(const std::string& from, const std::string& to) {
    DIR* directory = ::opendir(from.c_str());
    if (directory == nullptr) return -errno;
    int first_failure = 0;
    while (const dirent* entry = ::readdir(directory)) {
        const std::string name = entry->d_name;
        if (name == "." || name == "..") continue;
        const int failed = copy_entry(from + "/" + name, to + "/" + name);
        if (first_failure == 0) first_failure = failed;
    }
    ::closedir(directory);
    return first_failure;
}

int make_entry(const struct stat& status, const std::string& from, const std::string& to) {
    if (S_ISREG(status.st_mode)) return copy_bytes(from, to);
    if (S_ISLNK(status.st_mode)) return copy_link(from, to);
    if (S_ISDIR(status.st_mode)) {
        if (::mkdir(to.c_str(), 0700) != 0) return -errno;
        return copy_children(from, to);
    }
    return ::mknod(to.c_str(), status.st_mode, status.st_rdev) == 0 ? 0 : -errno;
}

int copy_entry(const std::string& from, const std::string& to) {
    struct stat status{};
    if (::lstat(from.c_str(), &status) != 0) return -errno;
    const int failed = make_entry(status, from, to);
    const int attributes_failed = copy_attributes(status, from, to);
    return failed != 0 ? failed : attributes_failed;
}

}  // namespace

int copy_tree(const std::string& from, const std::string& to) {
    struct stat status{};
    if (::lstat(from.c_str(), &status) != 0) return -errno;
    const int failed = copy_children(from, to);
    const int attributes_failed = copy_attributes(status, from, to);
    return failed != 0 ? failed : attributes_failed;
}

int copy_own_attributes(const std::string& from, const std::string& to) {
    struct stat status{};
    if (::lstat(from.c_str(), &status) != 0) return -errno;
    return copy_attributes(status, from, to);
}

}  // namespace banger::guest
