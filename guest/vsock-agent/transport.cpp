#include "guest/vsock-agent/transport.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include <cerrno>
#include <string>

#include "guest/vsock-agent/files.hpp"
#include "guest/vsock-agent/protocol.hpp"

namespace banger::guest {
namespace {

constexpr int kDialMs = 250;
constexpr char kPorts[] = "/sys/class/virtio-ports";

int wait_connected(int fd) {
    pollfd wait{fd, POLLOUT, 0};
    if (::poll(&wait, 1, kDialMs) != 1) return -ETIMEDOUT;
    int failed = 0;
    socklen_t size = sizeof failed;
    if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size) != 0) return -errno;
    return -failed;
}

int dial_vsock(Fd& fd) {
    if (::access("/dev/vsock", F_OK) != 0) return -errno;
    Fd socket{::socket(AF_VSOCK, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (!socket) return -errno;
    sockaddr_vm host{};
    host.svm_family = AF_VSOCK;
    host.svm_cid = VMADDR_CID_HOST;
    host.svm_port = kPort;
    const auto* address = reinterpret_cast<const sockaddr*>(&host);
    if (::connect(socket.get(), address, sizeof host) != 0) {
        if (errno != EINPROGRESS) return -errno;
        if (const int failed = wait_connected(socket.get())) return failed;
    }
    fd = std::move(socket);
    return 0;
}

/// The device node's name of the port that is called kPortName, or empty.
std::string find_port() {
    DIR* ports = ::opendir(kPorts);
    if (ports == nullptr) return {};
    std::string found;
    while (const dirent* entry = ::readdir(ports)) {
        std::string name;
        const std::string path = std::string(kPorts) + "/" + entry->d_name + "/name";
        if (entry->d_name[0] == '.' || read_small_file(path.c_str(), name) != 0) continue;
        if (name == std::string(kPortName) + "\n") found = entry->d_name;
    }
    ::closedir(ports);
    return found;
}

}  // namespace

int open_transport(Transport& transport) {
    transport.serial = false;
    if (dial_vsock(transport.fd) == 0) return 0;
    const std::string port = find_port();
    if (port.empty()) return -ENODEV;
    transport.serial = true;
    transport.fd.reset(::open(("/dev/" + port).c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
    return transport.fd ? 0 : -errno;
}

bool host_is_connected(const Transport& transport) {
    pollfd look{transport.fd.get(), POLLOUT, 0};
    return ::poll(&look, 1, 0) >= 0 && (look.revents & (POLLHUP | POLLERR)) == 0;
}

}  // namespace banger::guest
