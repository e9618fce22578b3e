// banger-vmm-launcher: becomes a VMM that has a network without any privilege. The process that the
// daemon started is the VMM in the end, so that its pid, its end and its exit status are the VMM's.

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "daemon/launcher/keeper.hpp"
#include "daemon/launcher/namespaces.hpp"

using namespace banger;
using namespace banger::launcher;

namespace {

UniqueFd make_socket(KeeperLink& link) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
        give_up("make a socket", errno);
    }
    // Out of the way of kVmmSocket.
    link.socket.reset(::fcntl(ends[1], F_DUPFD_CLOEXEC, kVmmSocket + 1));
    ::close(ends[1]);
    return UniqueFd(ends[0]);
}

/// By two forks, so that the VMM has no child that it does not know.
void start_keeper(const LaunchPlan& plan, KeeperLink& link, int argc, char** argv) {
    const int between = ::fork();
    if (between < 0) give_up("fork", errno);
    if (between == 0) {
        const int keeper = ::fork();
        if (keeper != 0) ::_exit(keeper < 0 ? 1 : 0);
        hide_vmm_words(argc, argv);
        keep_egress(plan, std::move(link));
    }
    ::waitpid(between, nullptr, 0);
    link.go.reader.reset();
    link.alive.writer.reset();
    link.socket.reset();
    char byte = 0;
    if (::read(link.alive.reader.get(), &byte, 1) != 1) give_up("start the network's keeper", 0);
}

void let_egress_start(KeeperLink& link) {
    const char byte = 'g';
    if (::write(link.go.writer.get(), &byte, 1) != 1) give_up("reach the network's keeper", errno);
}

[[noreturn]] void become_vmm(const LaunchPlan& plan) {
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    give_up("run " + plan.vmm.front(), execute(plan.vmm));
}

}  // namespace

int main(int argc, char** argv) {
    LaunchPlan plan;
    if (!parse_plan(argc, argv, plan)) {
        std::fprintf(stderr, "usage: %s tap|socket LIFE LOG EGRESS… -- VMM…; bangerd runs this\n",
                     argv[0]);
        return 2;
    }
    KeeperLink link;
    link.vmm_pid = ::getpid();
    link.vmm.reset(static_cast<int>(::syscall(SYS_pidfd_open, link.vmm_pid, 0)));
    if (!link.vmm) give_up("watch this process", errno);
    link.go = make_pipe();
    link.alive = make_pipe();
    UniqueFd socket;
    if (plan.way == Way::socket) socket = make_socket(link);
    start_keeper(plan, link, argc, argv);
    if (plan.way == Way::socket) {
        let_egress_start(link);
        // Last: whatever had that number is not needed any more. A dup has no close-on-exec.
        if (socket.get() == kVmmSocket) ::fcntl(kVmmSocket, F_SETFD, 0);
        if (socket.get() != kVmmSocket && ::dup2(socket.get(), kVmmSocket) < 0) {
            give_up("give the vmm its socket", errno);
        }
    } else {
        make_namespaces();
        EgressTap tap;
        let_egress_start(link);
        tap.join(link.alive.reader.get());
    }
    become_vmm(plan);
}
