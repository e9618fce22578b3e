#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/this_coro.hpp>
#include <thread>

#include "daemon/vm/guest_link.hpp"
#include "daemon/vm/pace.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/process_stat.hpp"
#include "pipelines/io/unique_fd.hpp"
#include "pipelines/io/wait.hpp"
#include "test/support/catch.hpp"
#include "test/support/run_task.hpp"
#include "test/support/temp_dir.hpp"
#include "test/unit/daemon/link_fixture.hpp"
#include "test/unit/daemon/local_guest.hpp"

using namespace banger;
using namespace std::chrono_literals;
using test::ContainsSubstring;
using test::LocalGuest;
using test::run_task;
using Fixture = test::LinkFixture;
using vm::GuestLink;
using Clock = std::chrono::steady_clock;

namespace {

const std::string kHello = "\nBANGER-HELLO {\"version\":1,\"boot_id\":\"b\"}\n";
const std::string kSettings("\0\0\0\4\0\0\0\0\0", 9);
const std::string kPing("\0\0\10\6\0\0\0\0\0abcdefgh", 17);

std::string repeated(const std::string& words, std::size_t bytes) {
    std::string text;
    while (text.size() < bytes)
        text += words;
    return text;
}

/// A guest gone mad: in a thread of its own it says `first`, then `words` for ever, and takes what
/// it is told. When the connection ends it dials again, if it is to.
class MadGuest {
  public:
    MadGuest(std::string path, std::string first, std::string words, bool again = false)
        : thread_([this, path = std::move(path), first = std::move(first), words = std::move(words),
                   again] {
              ::signal(SIGPIPE, SIG_IGN);
              do {
                  talk(path, first, words);
                  ++dialled;
              } while (again && !stop_);
          }) {}
    ~MadGuest() {
        stop_ = true;
        thread_.join();
    }
    std::atomic<std::uint64_t> said{0};
    std::atomic<int> dialled{0};

  private:
    void talk(const std::string& path, const std::string& first, const std::string& words) {
        UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof(address.sun_path) - 1);
        if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
            std::this_thread::sleep_for(1ms);
            return;
        }
        if (!say(fd.get(), first)) return;
        while (!words.empty() && !stop_) {
            if (!say(fd.get(), words)) return;
        }
    }
    /// False when the connection is gone.
    bool say(int fd, std::string_view words) {
        char taken[4096];
        while (!words.empty() && !stop_) {
            const auto got = ::read(fd, taken, sizeof taken);
            if (got == 0 || (got < 0 && errno != EAGAIN)) return false;
            const auto sent = ::write(fd, words.data(), words.size());
            if (sent < 0 && errno != EAGAIN) return false;
            if (sent < 0) {
                std::this_thread::sleep_for(1ms);
                continue;
            }
            said += static_cast<std::uint64_t>(sent);
            words.remove_prefix(static_cast<std::size_t>(sent));
        }
        return true;
    }

    std::atomic<bool> stop_{false};
    std::thread thread_;
};

/// Of the thread that asks: the loop's.
std::chrono::milliseconds cpu_time() {
    rusage usage{};
    ::getrusage(RUSAGE_THREAD, &usage);
    const auto ms = [](const timeval& t) { return t.tv_sec * 1000 + t.tv_usec / 1000; };
    return std::chrono::milliseconds(ms(usage.ru_utime) + ms(usage.ru_stime));
}

std::uint64_t resident_bytes() {
    const auto stat = read_process_stat(::getpid());
    return stat->rss_pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

Task<std::string> sync_error(std::shared_ptr<vm::AgentClient> agent) {
    try {
        co_await agent->sync(10s);
    } catch (const Error& e) {
        co_return e.what();
    }
    co_return "nothing was thrown";
}

}  // namespace

TEST_CASE("what comes too fast is slowed down, beyond a burst") {
    run_task([]() -> Task<void> {
        vm::Pace pace(3, 50ms);
        const auto start = Clock::now();
        for (int i = 0; i < 3; ++i)
            co_await pace.take();
        CHECK(Clock::now() - start < 40ms);
        co_await pace.take();
        co_await pace.take(2);
        CHECK(Clock::now() - start > 130ms);
        // What was not used comes back, but not beyond the burst.
        co_await sleep_for(400ms);
        const auto later = Clock::now();
        co_await pace.take(3);
        CHECK(Clock::now() - later < 40ms);
        co_await pace.take();
        CHECK(Clock::now() - later > 30ms);
    }());
}

TEST_CASE_METHOD(Fixture, "a guest that talks without ever saying hello is read slowly") {
    run([](GuestLink& link, std::string path) -> Task<void> {
        const auto memory = resident_bytes();
        // Much that could begin a hello, and a line without an end.
        const auto words =
            repeated("\nBANGER-HELLO {\nBANGER-HELLO " + std::string(9000, 'x'), 1 << 16);
        MadGuest guest(path, "", words);
        co_await sleep_for(500ms);  // what it has a burst for
        while (guest.said < 8u << 20)
            co_await sleep_for(10ms);
        const auto said = guest.said.load();
        const auto used = cpu_time();
        co_await sleep_for(1s);
        CHECK(guest.said - said < 4u << 20);
        CHECK(cpu_time() - used < 200ms);
        CHECK(resident_bytes() < memory + (8u << 20));
        CHECK_FALSE(link.agent());
    });
}

TEST_CASE_METHOD(Fixture, "a guest that says nothing but hello is hung up on") {
    run([](GuestLink& link, std::string path) -> Task<void> {
        MadGuest guest(path, "", repeated(kHello, 1 << 16));
        const auto agent = co_await link.wait_agent();
        CHECK(co_await sync_error(agent) ==
              "the connection to the agent of vm 'box' is gone: it says hello without end");
    });
}

TEST_CASE_METHOD(Fixture, "a guest that sends pings without end is hung up on") {
    run([](GuestLink& link, std::string path) -> Task<void> {
        const auto memory = resident_bytes();
        MadGuest guest(path, kHello + kSettings, repeated(kPing, 1 << 16));
        const auto agent = co_await link.wait_agent();
        CHECK_THAT(co_await sync_error(agent),
                   ContainsSubstring("frames without end") || ContainsSubstring("Flooding was"));
        CHECK(resident_bytes() < memory + (8u << 20));
    });
}

TEST_CASE_METHOD(Fixture, "a guest that dials without end is given a connection now and then") {
    run([](GuestLink& link, std::string path) -> Task<void> {
        int hellos = 0;
        link.on_hello = [&](const vm::Hello&) { ++hellos; };
        {
            MadGuest guest(path, kHello, "", true);
            co_await sleep_for(2s);
            CHECK(hellos < 40);
            const auto used = cpu_time();
            co_await sleep_for(1s);
            CHECK(cpu_time() - used < 200ms);
        }
        // Those that wait are let go: LocalGuest dials on this thread, and must find room.
        co_await sleep_for(1s);
        // And one that has come to its senses is heard.
        LocalGuest sane(path, "sane");
        while (!link.agent() || link.agent()->hello().boot_id != "sane")
            co_await sleep_for(50ms);
        co_await link.agent()->sync(5s);
        link.on_hello = {};
    });
}
