#include "guest/vsock-agent/agent.hpp"

#include <csignal>

#include "guest/vsock-agent/api.hpp"
#include "guest/vsock-agent/connection.hpp"
#include "guest/vsock-agent/files.hpp"
#include "guest/vsock-agent/loop.hpp"

namespace banger::guest {

int run_agent(AgentInfo& info) {
    // The signals of a shutdown are for the others; the agent reports until the end.
    for (const int number : {SIGPIPE, SIGTERM, SIGHUP, SIGINT})
        ::signal(number, SIG_IGN);
    write_small_file("/proc/self/oom_score_adj", "-1000");
    read_small_file("/proc/sys/kernel/random/boot_id", info.boot_id);
    if (!info.boot_id.empty() && info.boot_id.back() == '\n') info.boot_id.pop_back();
    Loop loop;
    Api api(loop, info);
    Connection connection(loop, api, info);
    connection.start();
    loop.run();
    return 1;
}

}  // namespace banger::guest
