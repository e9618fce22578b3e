#pragma once

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <thread>

#include "guest/vsock-agent/connection.hpp"
#include "test/support/catch.hpp"

namespace banger::test {

inline int dial(const std::string& path) {
    int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    REQUIRE(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    return fd;
}

/// The real agent in a thread of this process, dialling the link's socket as QEMU does.
class LocalGuest {
  public:
    LocalGuest(const std::string& path, std::string boot_id) {
        ::signal(SIGPIPE, SIG_IGN);  // as the agent does in its own process
        info_.boot_id = std::move(boot_id);
        REQUIRE(::pipe2(stop_, O_CLOEXEC) == 0);
        thread_ = std::thread([this, fd = dial(path)] { serve(fd); });
    }
    ~LocalGuest() {
        ::close(stop_[1]);
        thread_.join();
        ::close(stop_[0]);
    }

  private:
    void serve(int fd) {
        ::fcntl(fd, F_SETFL, O_NONBLOCK);
        guest::Loop loop;
        guest::Api api(loop, info_);
        guest::Connection connection(loop, api, info_);
        guest::Transport transport;
        transport.fd.reset(fd);
        transport.serial = true;
        loop.watch(stop_[0], EPOLLIN, [&](std::uint32_t) { loop.stop(); });
        connection.adopt(std::move(transport));
        loop.run();
    }

    guest::AgentInfo info_;
    int stop_[2];
    std::thread thread_;
};

}  // namespace banger::test
