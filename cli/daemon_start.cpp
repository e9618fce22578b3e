#include "cli/daemon_start.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "pipelines/io/subprocess.hpp"
#include "pipelines/io/unique_fd.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::cli {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr auto kStartLimit = 20s;

/// Neither sockets nor disks of VMs are for other users' eyes.
void make_private_directory(const std::string& path) {
    std::error_code error;
    fs::create_directories(fs::path(path).parent_path(), error);
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
        fail_errno(errno, "cannot make {}", path);
    }
}

std::string find_bangerd() {
    std::error_code error;
    const auto own = fs::read_symlink("/proc/self/exe", error);
    const auto beside = own.parent_path() / "bangerd";
    return !error && ::access(beside.c_str(), X_OK) == 0 ? beside.string() : "bangerd";
}

UniqueFd lock_start(const std::string& runtime) {
    auto lock = open_file(runtime + "/start.lock", O_RDWR | O_CREAT, 0600);
    while (::flock(lock.get(), LOCK_EX) != 0) {
        if (errno != EINTR) fail_errno(errno, "cannot lock {}/start.lock", runtime);
    }
    return lock;
}

std::string last_line_of(const std::string& path) {
    std::ifstream file(path);
    std::string last;
    for (std::string line; std::getline(file, line);) {
        if (!line.empty()) last = line;
    }
    return last;
}

Subprocess spawn_bangerd(Session& session, const std::string& log_path) {
    const auto log = open_file(log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    SubprocessOptions options;
    options.argv = {find_bangerd()};
    // Not ours: the place it is started from may be deleted or unmounted one day.
    options.cwd = "/";
    options.stdout_fd = log.get();
    options.stderr_fd = log.get();
    options.new_session = true;
    try {
        return Subprocess::spawn(session.executor, options);
    } catch (const Error& error) {
        throw DaemonUnreachable(fmt::format("no bangerd to start: {}", error.what()));
    }
}

Task<void> wait_for_socket(std::string socket) {
    while (!daemon_answers(socket))
        co_await sleep_for(20ms);
}

Task<void> wait_until_up(Session& session, Subprocess& daemon, const std::string& log_path) {
    auto up = with_timeout(kStartLimit, wait_for_socket(session.client.socket()), "");
    std::string what;
    try {
        auto first = co_await race(std::move(up), daemon.wait());
        if (first.index() == 0) co_return;
        what = "ended at once: " + std::get<1>(first).describe();
    } catch (const Error& error) {
        if (error.code() != Errc::timed_out) throw;
        what = fmt::format("does not answer on {} after {} s", session.client.socket(),
                           kStartLimit.count());
    }
    throw DaemonUnreachable(
        fmt::format("bangerd {}; {} says: {}", what, log_path, last_line_of(log_path)));
}

}  // namespace

bool daemon_answers(const std::string& socket) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket.size() >= sizeof(address.sun_path)) {
        fail(Errc::invalid_argument,
             "the socket path {} is too long; set a shorter XDG_RUNTIME_DIR", socket);
    }
    std::memcpy(address.sun_path, socket.data(), socket.size());
    const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) fail_errno(errno, "cannot make a socket");
    return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

Task<void> ensure_daemon(Session& session) {
    if (daemon_answers(session.client.socket())) co_return;
    make_private_directory(session.paths.runtime);
    make_private_directory(session.paths.state);
    const auto lock = lock_start(session.paths.runtime);
    if (daemon_answers(session.client.socket())) co_return;
    const auto log_path = session.paths.state + "/bangerd.log";
    auto daemon = spawn_bangerd(session, log_path);
    co_await wait_until_up(session, daemon, log_path);
    if (session.verbose)
        say(fmt::format("started bangerd (pid {}), log {}", daemon.pid(), log_path));
}

}  // namespace banger::cli
