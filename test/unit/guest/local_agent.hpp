#pragma once

#include <fcntl.h>
#include <sys/socket.h>

#include <csignal>
#include <string>
#include <thread>

#include "guest/vsock-agent/api.hpp"
#include "guest/vsock-agent/connection.hpp"
#include "guest/vsock-agent/loop.hpp"
#include "test/support/catch.hpp"
#include "test/unit/guest/agent_client.hpp"

namespace banger::test {

/// The agent as it runs in a guest, in a thread of this process over a socket pair.
class LocalAgent {
  public:
    LocalAgent() {
        // As the agent does when it starts: a host that is gone is an error of the write.
        std::signal(SIGPIPE, SIG_IGN);
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
        ours_.reset(ends[1]);
        REQUIRE(::pipe2(ends_, O_CLOEXEC) == 0);
        info_.boot_id = "a-boot";
        // Otherwise root's home, which is closed to whoever else runs the tests.
        info_.exec.working_dir = "/";
        thread_ = std::thread([this, fd = ends[0]] { serve(fd); });
    }
    ~LocalAgent() {
        ::close(ends_[1]);
        thread_.join();
        ::close(ends_[0]);
    }
    guest::Fd take() { return std::move(ours_); }

  private:
    void serve(int fd) {
        guest::Loop loop;
        guest::Api api(loop, info_);
        guest::Connection connection(loop, api, info_);
        guest::Transport transport;
        transport.fd.reset(fd);
        transport.serial = true;
        loop.watch(ends_[0], EPOLLIN, [&](std::uint32_t) { loop.stop(); });
        connection.adopt(std::move(transport));
        loop.run();
    }

    guest::AgentInfo info_;
    guest::Fd ours_;
    int ends_[2];
    std::thread thread_;
};

struct Joined {
    LocalAgent agent;
    AgentClient client{agent.take()};
    std::string hello = client.wait_hello(std::chrono::seconds(60));
    Joined() { client.start_session(); }
};

}  // namespace banger::test
