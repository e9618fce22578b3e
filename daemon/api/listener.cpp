#include "daemon/api/listener.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "pipelines/io/error.hpp"

namespace banger::api {
namespace {

constexpr int kBacklog = 256;

sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        fail(Errc::invalid_argument, "the socket path {} has {} bytes, at most {} are possible",
             path, path.size(), sizeof address.sun_path - 1);
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

UniqueFd make_socket() {
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) fail_errno(errno, "cannot make a socket");
    return fd;
}

const sockaddr* generic(const sockaddr_un& address) {
    return reinterpret_cast<const sockaddr*>(&address);
}

// Nobody listens on a socket that refuses.
void remove_stale(const std::string& path, const sockaddr_un& address) {
    struct stat info{};
    if (::lstat(path.c_str(), &info) != 0) {
        if (errno == ENOENT) return;
        fail_errno(errno, "cannot look at {}", path);
    }
    if (!S_ISSOCK(info.st_mode)) fail(Errc::already_exists, "{} is no socket and in the way", path);
    const auto probe = make_socket();
    if (::connect(probe.get(), generic(address), sizeof address) == 0) {
        fail(Errc::already_exists, "a bangerd answers at {} already", path);
    }
    if (errno != ECONNREFUSED) fail_errno(errno, "cannot tell who listens at {}", path);
    if (::unlink(path.c_str()) != 0) fail_errno(errno, "cannot remove the stale socket {}", path);
}

bool is_unix_listener(int fd) {
    int domain = 0;
    int listening = 0;
    socklen_t size = sizeof domain;
    if (::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0) return false;
    size = sizeof listening;
    if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0) return false;
    return domain == AF_UNIX && listening != 0;
}

}  // namespace

void make_private_directory(const std::string& path) {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    if (::mkdir(path.c_str(), 0700) == 0) return;
    if (errno != EEXIST) fail_errno(errno, "cannot make {}", path);
    struct stat info{};
    if (::lstat(path.c_str(), &info) != 0) fail_errno(errno, "cannot look at {}", path);
    if (!S_ISDIR(info.st_mode))
        fail(Errc::already_exists, "{} is no directory and in the way", path);
    if (info.st_uid != ::geteuid() || (info.st_mode & 077) != 0) {
        fail(Errc::unauthorized, "{} must belong to us and be closed to others (chmod 700)", path);
    }
}

UniqueFd listen_at(const std::string& path) {
    const auto address = address_of(path);
    make_private_directory(std::filesystem::path(path).parent_path());
    remove_stale(path, address);
    auto fd = make_socket();
    // The socket file gets the mode of the socket's inode less umask; so it is never open to
    // others.
    if (::fchmod(fd.get(), 0600) != 0) fail_errno(errno, "cannot close {} to others", path);
    if (::bind(fd.get(), generic(address), sizeof address) != 0) {
        fail_errno(errno, "cannot listen at {}", path);
    }
    if (::chmod(path.c_str(), 0600) != 0) fail_errno(errno, "cannot close {} to others", path);
    if (::listen(fd.get(), kBacklog) != 0) fail_errno(errno, "cannot listen at {}", path);
    return fd;
}

std::optional<UniqueFd> inherited_listener() {
    constexpr int kFirst = 3;
    const char* pid = std::getenv("LISTEN_PID");
    const char* count = std::getenv("LISTEN_FDS");
    const bool ours = pid && count && std::atol(pid) == ::getpid() && std::atoi(count) >= 1;
    ::unsetenv("LISTEN_PID");
    ::unsetenv("LISTEN_FDS");
    ::unsetenv("LISTEN_FDNAMES");
    if (!ours) return std::nullopt;
    if (!is_unix_listener(kFirst)) {
        fail(Errc::invalid_argument,
             "systemd passed a descriptor that is no listening Unix socket");
    }
    ::fcntl(kFirst, F_SETFD, FD_CLOEXEC);
    return UniqueFd(kFirst);
}

}  // namespace banger::api
