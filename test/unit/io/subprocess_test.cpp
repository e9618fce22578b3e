#include "pipelines/io/subprocess.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <filesystem>

#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/wait.hpp"
#include "test/support/catch.hpp"
#include "test/support/run_task.hpp"
#include "test/support/temp_dir.hpp"

using namespace banger;
using namespace std::chrono_literals;
using banger::test::run_task;
using banger::test::TempDir;

namespace {

std::vector<std::string> shell(std::string script) {
    return {"sh", "-c", std::move(script)};
}

Task<ExitStatus> spawn_and_wait(SubprocessOptions options) {
    auto process = Subprocess::spawn(co_await boost::asio::this_coro::executor, options);
    co_return co_await process.wait();
}

/// The set after `label`, without 32 and 33, which the C library keeps to itself.
std::uint64_t signal_set(const std::string& status, const std::string& label) {
    const auto at = status.find(label);
    REQUIRE(at != std::string::npos);
    return std::stoull(status.substr(at + label.size()), nullptr, 16) & ~0x180000000ull;
}

bool is_alive(int pid) {
    return ::kill(pid, 0) == 0;
}

}  // namespace

TEST_CASE("run returns what was printed and the exit status") {
    const auto result = run_task(run(shell("echo out; echo err >&2; exit 7"), 30s));

    CHECK(result.out == "out\n");
    CHECK(result.err == "err\n");
    CHECK(result.status.code == 7);
    CHECK_FALSE(result.status.success());
    CHECK(result.status.describe() == "exit status 7");
}

TEST_CASE("a process killed by a signal says so") {
    const auto result = run_task(run(shell("kill -9 $$"), 30s));

    CHECK(result.status.signal == SIGKILL);
    CHECK(result.status.describe() == "killed by signal 9 (Killed)");
}

TEST_CASE("a program that does not exist is named") {
    try {
        run_task(run({"no-such-program-anywhere"}, 30s));
        FAIL("no exception");
    } catch (const Error& e) {
        CHECK(e.code() == Errc::not_found);
        CHECK(std::string(e.what()) ==
              "cannot run no-such-program-anywhere: No such file or directory");
    }
    CHECK_THROWS_AS(run_task(run({}, 30s)), Error);
}

TEST_CASE("run keeps the first MiB of a longer output and lets the program end") {
    const auto result = run_task(run(shell("head -c 3000000 /dev/zero; exit 3"), 30s));

    CHECK(result.out.size() == 1024 * 1024);
    CHECK(result.status.code == 3);
}

TEST_CASE("run kills a program, with its children, that takes too long") {
    TempDir dir;
    const auto pid_file = dir / "pid";

    CHECK_THROWS_WITH(run_task(run(shell("sleep 3600 & echo $! > " + pid_file + "; wait"), 1s)),
                      "sh did not end within 1 s");

    const int grandchild = std::stoi(read_file(pid_file));
    for (int i = 0; i < 500 && is_alive(grandchild); ++i)
        ::usleep(10'000);
    // A zombie waits for its new parent, which is not ours to hurry.
    const bool gone = !is_alive(grandchild) ||
                      read_file("/proc/" + std::to_string(grandchild) + "/stat").find(") Z ") !=
                          std::string::npos;
    CHECK(gone);
}

TEST_CASE("cancelling run kills and reaps the program") {
    TempDir dir;
    const auto pid_file = dir / "pid";

    run_task(
        race(run(shell("echo $$ > " + pid_file + "; exec sleep 3600"), 3600s), sleep_for(300ms)));

    CHECK_FALSE(is_alive(std::stoi(read_file(pid_file))));
}

TEST_CASE("cancelling a wait leaves the process running") {
    auto body = []() -> Task<bool> {
        SubprocessOptions options;
        options.argv = {"sleep", "3600"};
        auto process = Subprocess::spawn(co_await boost::asio::this_coro::executor, options);
        co_await race(process.wait(), sleep_for(10ms));
        const bool alive = is_alive(process.pid());
        process.signal(SIGTERM);
        const auto status = co_await process.wait();
        process.signal(SIGTERM);
        co_return alive&& status.signal == SIGTERM && (co_await process.wait()).signal == SIGTERM;
    };

    CHECK(run_task(body()));
}

TEST_CASE("a child inherits no descriptor but 0, 1 and 2") {
    const auto leaked = open_file("/dev/null", O_RDONLY);
    REQUIRE(::fcntl(leaked.get(), F_SETFD, 0) == 0);

    const auto result = run_task(run(shell("ls /proc/$$/fd"), 30s));

    CHECK(result.out == "0\n1\n2\n");
}

TEST_CASE("a child starts with default signal dispositions and an empty mask") {
    ::signal(SIGPIPE, SIG_IGN);
    sigset_t blocked;
    sigset_t before;
    ::sigemptyset(&blocked);
    ::sigaddset(&blocked, SIGTERM);
    ::sigprocmask(SIG_BLOCK, &blocked, &before);

    const auto result = run_task(run({"grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"}, 30s));

    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    CHECK(signal_set(result.out, "SigBlk:\t") == 0);
    CHECK(signal_set(result.out, "SigIgn:\t") == 0);
}

TEST_CASE("environment, directory and descriptors are as asked") {
    TempDir dir;
    const auto in = open_file("/dev/null", O_RDONLY);
    const auto out = open_file(dir / "out", O_WRONLY | O_CREAT);
    SubprocessOptions options;
    options.argv = shell("echo \"$FOO|$PATH\"; pwd; echo err >&2");
    options.extra_env = {"FOO=bar", "PATH=/usr/bin:/bin"};
    options.cwd = dir.path();
    options.stdin_fd = in.get();
    options.stdout_fd = out.get();
    options.stderr_fd = out.get();

    REQUIRE(run_task(spawn_and_wait(options)).success());

    CHECK(read_file(dir / "out") ==
          "bar|/usr/bin:/bin\n" + std::filesystem::canonical(dir.path()).string() + "\nerr\n");
}

TEST_CASE("a missing working directory is an error") {
    SubprocessOptions options;
    options.argv = {"true"};
    options.cwd = "/no/such/directory";

    CHECK_THROWS_WITH(run_task(spawn_and_wait(options)),
                      test::ContainsSubstring("cannot run true"));
}

TEST_CASE("new_session makes the child the leader of a session of its own") {
    auto body = []() -> Task<bool> {
        SubprocessOptions options;
        options.argv = {"sleep", "3600"};
        options.new_session = true;
        auto process = Subprocess::spawn(co_await boost::asio::this_coro::executor, options);
        const bool leads = ::getsid(process.pid()) == process.pid();
        process.signal(SIGKILL);
        co_await process.wait();
        co_return leads;
    };

    CHECK(run_task(body()));
}

TEST_CASE("a foreign process is found by pid and start time and seen to go") {
    auto body = []() -> Task<void> {
        const auto executor = co_await boost::asio::this_coro::executor;
        SubprocessOptions options;
        options.argv = {"sleep", "3600"};
        auto process = Subprocess::spawn(executor, options);
        auto foreign = ForeignProcess::find(executor, process.pid(), process.start_time());
        if (!foreign) throw std::runtime_error("not found");

        CHECK_FALSE(ForeignProcess::find(executor, process.pid(), process.start_time() + 1));
        CHECK(co_await race(foreign->wait_gone(), sleep_for(5ms)) ==
              std::variant<std::monostate, std::monostate>(std::in_place_index<1>));

        foreign->signal(SIGKILL);
        co_await foreign->wait_gone();
        CHECK_FALSE(ForeignProcess::find(executor, process.pid(), process.start_time()));
        co_await process.wait();
        CHECK_FALSE(ForeignProcess::find(executor, process.pid(), process.start_time()));
    };

    run_task(body());
}

TEST_CASE("no process has a pid of zero or less") {
    boost::asio::io_context context;

    CHECK_FALSE(ForeignProcess::find(context.get_executor(), 0, 0));
    CHECK_FALSE(ForeignProcess::find(context.get_executor(), -1, 0));
}
