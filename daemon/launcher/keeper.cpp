#include "daemon/launcher/keeper.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <string>

namespace banger::launcher {
namespace {

void redirect_output(const std::string& log) {
    const UniqueFd file(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    const UniqueFd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!file || !nothing) give_up("open " + log, errno);
    ::dup2(nothing.get(), 0);
    ::dup2(file.get(), 1);
    ::dup2(file.get(), 2);
}

void replace(std::string& word, const std::string& what, const std::string& by) {
    const auto at = word.find(what);
    if (at != std::string::npos) word.replace(at, what.size(), by);
}

int start(const LaunchPlan& plan, const KeeperLink& link) {
    auto words = plan.egress;
    for (auto& word : words) {
        replace(word, "{pid}", std::to_string(link.vmm_pid));
        replace(word, "{fd}", std::to_string(link.socket.get()));
    }
    const int pid = ::fork();
    if (pid < 0) give_up("start " + words.front(), errno);
    if (pid > 0) return pid;
    if (link.socket) ::fcntl(link.socket.get(), F_SETFD, 0);
    give_up("start " + words.front(), execute(words));
}

/// Returns when the VMM has ended; an egress program that ends before it is seen by `alive`.
void watch(KeeperLink& link, int egress) {
    const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, egress, 0)));
    std::array<pollfd, 2> waits{{{link.vmm.get(), POLLIN, 0}, {process.get(), POLLIN, 0}}};
    while (waits[0].revents == 0) {
        if (::poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) break;
        if (waits[1].revents == 0) continue;
        std::fprintf(stderr, "the vm has no network any more: %d has ended\n", egress);
        link.alive.writer.reset();
        waits[1].fd = -1;
        waits[1].revents = 0;
    }
}

}  // namespace

void keep_egress(const LaunchPlan& plan, KeeperLink link) {
    ::prctl(PR_SET_NAME, "banger-network");
    // Both ends, so that opening does not wait for a reader.
    const UniqueFd life(::open(plan.life.c_str(), O_RDWR | O_CLOEXEC));
    if (!life) give_up("open " + plan.life, errno);
    redirect_output(plan.log);
    link.go.writer.reset();
    link.alive.reader.reset();
    char byte = 'k';
    if (::write(link.alive.writer.get(), &byte, 1) != 1) ::_exit(1);
    if (::read(link.go.reader.get(), &byte, 1) != 1) ::_exit(0);
    const int egress = start(plan, link);
    link.socket.reset();
    watch(link, egress);
    ::kill(egress, SIGKILL);
    ::waitpid(egress, nullptr, 0);
    ::_exit(0);
}

}  // namespace banger::launcher
