#include "cli/app.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <csignal>
#include <exception>
#include <memory>

#include "cli/commands.hpp"
#include "cli/daemon_start.hpp"
#include "cli/interrupts.hpp"
#include "pipelines/io/log.hpp"

namespace banger::cli {
namespace {

Task<int> act(Session& session, const Invocation& invocation) {
    if (invocation.starts_daemon) co_await ensure_daemon(session);
    co_return co_await invocation.action(session);
}

int run_action(const Invocation& invocation) {
    boost::asio::io_context context{1};
    // One thread reads standard input, the other writes.
    BlockingPool pool(2);
    const auto paths = find_paths();
    Session session{context.get_executor(),
                    pool,
                    paths,
                    ApiClient(context.get_executor(), paths.socket()),
                    invocation.json,
                    invocation.verbose};
    int status = kExitFailed;
    std::exception_ptr error;
    boost::asio::co_spawn(context, act(session, invocation),
                          [&](std::exception_ptr failure, int code) {
                              error = std::move(failure);
                              status = code;
                          });
    context.run();
    pool.join();
    if (error) std::rethrow_exception(error);
    return status;
}

/// A closed standard stream would lend its number to the next file or socket.
void occupy_standard_streams() {
    while (true) {
        const int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (fd > STDERR_FILENO) ::close(fd);
        if (fd < 0 || fd > STDERR_FILENO) return;
    }
}

int complain(const std::exception& error, int status) {
    say(std::string("banger: ") + error.what());
    return status;
}

int act_on(const Invocation& invocation) {
    try {
        setup_logging(invocation.verbose ? "debug" : "error");
        return run_action(invocation);
    } catch (const DaemonUnreachable& error) {
        return complain(error, kExitNoDaemon);
    } catch (const Interrupted& error) {
        return complain(error, error.exit_status());
    } catch (const std::exception& error) {
        return complain(error, kExitFailed);
    }
}

}  // namespace

int run(int argc, char** argv) {
    occupy_standard_streams();
    // A reader that goes away is seen as EPIPE, after which a VM can still be deleted.
    std::signal(SIGPIPE, SIG_IGN);
    Invocation invocation;
    const auto parser = make_parser(invocation);
    try {
        parse_command_line(*parser, invocation, {argv + 1, argv + argc});
    } catch (const CLI::Success& help_or_version) {
        return parser->exit(help_or_version);
    } catch (const CLI::Error& error) {
        say(fmt::format("banger: {}; see 'banger --help'", error.what()));
        return kExitUsage;
    }
    return act_on(invocation);
}

}  // namespace banger::cli
