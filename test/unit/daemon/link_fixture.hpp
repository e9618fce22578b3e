#pragma once

#include <boost/asio/this_coro.hpp>
#include <string>

#include "daemon/vm/guest_link.hpp"
#include "pipelines/io/wait.hpp"
#include "test/support/run_task.hpp"
#include "test/support/temp_dir.hpp"

namespace banger::test {

/// The daemon's end of the way to a guest, in a directory of its own.
struct LinkFixture {
    TempDir directory;
    std::string listener = directory / "vsock.sock_1024";

    /// Runs `body` while the link serves.
    void run(Task<void> (*body)(vm::GuestLink& link, std::string path)) {
        run_task(both(body, listener));
    }
    static Task<void> both(Task<void> (*body)(vm::GuestLink&, std::string), std::string path) {
        vm::GuestLink link(co_await boost::asio::this_coro::executor, path,
                           "the agent of vm 'box'");
        co_await race(link.run(), body(link, path));
    }
};

}  // namespace banger::test
