#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/this_coro.hpp>

#include "daemon/vm/agent_error.hpp"
#include "daemon/vm/guest_link.hpp"
#include "pipelines/io/error.hpp"
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
using test::dial;
using test::LocalGuest;
using test::run_task;
using vm::ExecEvent;
using Fixture = test::LinkFixture;
using vm::GuestLink;

namespace {

api::ExecRequest command(std::vector<std::string> words, bool input = false) {
    api::ExecRequest request;
    request.command = std::move(words);
    // The default is root's home, which is closed to whoever else runs the tests.
    request.cwd = "/";
    request.stdin = input;
    return request;
}

struct Outcome {
    std::string out;
    std::string err;
    int exit_code = -1;
};

Task<Outcome> collect(vm::ExecSession& session) {
    Outcome outcome;
    for (;;) {
        auto event = co_await session.next();
        auto& text = event.kind == ExecEvent::Kind::standard_out ? outcome.out : outcome.err;
        text.append(reinterpret_cast<const char*>(event.bytes.data()), event.bytes.size());
        if (event.kind != ExecEvent::Kind::exited) continue;
        outcome.exit_code = event.exit_code;
        co_return outcome;
    }
}

Task<Outcome> run_command(GuestLink& link, std::vector<std::string> words) {
    auto agent = co_await link.wait_agent();
    auto session = co_await agent->exec(command(std::move(words)));
    co_return co_await collect(*session);
}

Task<void> write_all(vm::ExecSession& session, const std::string& text) {
    co_await session.write_stdin(std::as_bytes(std::span(text)));
    co_await session.close_stdin();
}

/// The message of the Error that `task` throws.
Task<std::string> message_of(Task<void> task) {
    try {
        co_await std::move(task);
    } catch (const Error& e) {
        co_return e.what();
    }
    co_return "nothing was thrown";
}

Task<void> drain(vm::ExecSession& session) {
    co_await collect(session);
}

}  // namespace

TEST_CASE_METHOD(Fixture, "an agent that dials says hello and answers") {
    run([](GuestLink& link, std::string path) -> Task<void> {
        CHECK(link.agent() == nullptr);
        LocalGuest guest(path, "boot-1");
        auto agent = co_await link.wait_agent();
        CHECK(agent->hello().boot_id == "boot-1");
        auto health = co_await agent->health(5s);
        CHECK(health.boot_id == "boot-1");
        CHECK(health.system == "none");
        co_await agent->sync(5s);
    });
}

TEST_CASE_METHOD(Fixture, "commands give output, errors and their status") {
    run([](GuestLink& link, std::string path) -> Task<void> {
        LocalGuest guest(path, "b");
        auto outcome = co_await run_command(link, {"sh", "-c", "echo out; echo err >&2; exit 42"});
        CHECK(outcome.out == "out\n");
        CHECK(outcome.err == "err\n");
        CHECK(outcome.exit_code == 42);
        CHECK((co_await run_command(link, {"sh", "-c", "kill -9 $$"})).exit_code == 128 + 9);
        CHECK((co_await run_command(link, {"no-such-command"})).exit_code == 127);
    });
}

TEST_CASE_METHOD(Fixture, "what goes into a command comes out of it, far beyond every window") {
    run([](GuestLink& link, std::string path) -> Task<void> {
        LocalGuest guest(path, "b");
        std::string input(20'000'000, '\0');
        for (std::size_t i = 0; i < input.size(); ++i)
            input[i] = static_cast<char>(i * 2654435761u >> 13);
        auto agent = co_await link.wait_agent();
        auto session = co_await agent->exec(command({"cat"}, true));
        auto both = co_await when_all(write_all(*session, input), collect(*session));
        CHECK((std::get<1>(both).out == input));
        CHECK(std::get<1>(both).exit_code == 0);
    });
}

TEST_CASE_METHOD(Fixture, "a stream that nobody reads is held up alone") {
    run([](GuestLink& link, std::string path) -> Task<void> {
        LocalGuest guest(path, "b");
        auto agent = co_await link.wait_agent();
        std::vector<std::unique_ptr<vm::ExecSession>> stuck;
        for (int i = 0; i < 40; ++i) {
            stuck.push_back(co_await agent->exec(command({"cat", "/dev/zero"})));
        }
        co_await sleep_for(300ms);
        CHECK((co_await run_command(link, {"echo", "alive"})).out == "alive\n");
        co_await stuck[0]->signal(9);
        auto left = co_await collect(*stuck[0]);
        CHECK(left.exit_code == 128 + 9);
        // The window, the pipe and some frames: not what cat had to give.
        CHECK(left.out.size() < 2'000'000);
    });
}

TEST_CASE_METHOD(Fixture, "a writer waits for a command that does not read, until it ends") {
    run([](GuestLink& link, std::string path) -> Task<void> {
        LocalGuest guest(path, "b");
        auto agent = co_await link.wait_agent();
        auto session = co_await agent->exec(command({"sleep", "60"}, true));
        const std::string much(8'000'000, 'x');
        auto write = with_timeout(300ms, write_all(*session, much), "still writing");
        CHECK(co_await message_of(std::move(write)) == "still writing");
    });
}

TEST_CASE_METHOD(Fixture, "streams fail with a sentence when the connection goes") {
    run([](GuestLink& link, std::string path) -> Task<void> {
        std::unique_ptr<vm::ExecSession> session;
        {
            LocalGuest guest(path, "b");
            auto agent = co_await link.wait_agent();
            session = co_await agent->exec(command({"sleep", "1"}));
        }
        CHECK_THAT(co_await message_of(drain(*session)),
                   ContainsSubstring("the connection to the agent of vm 'box' is gone"));
        CHECK(link.agent() == nullptr);
    });
}

TEST_CASE_METHOD(Fixture, "a guest that dials again takes the place of its old connection") {
    run([](GuestLink& link, std::string path) -> Task<void> {
        LocalGuest first(path, "boot-1");
        auto old = co_await link.wait_agent();
        LocalGuest second(path, "boot-2");
        while (!link.agent() || link.agent()->hello().boot_id != "boot-2")
            co_await sleep_for(10ms);
        CHECK_FALSE(old->alive());
        CHECK((co_await run_command(link, {"echo", "again"})).out == "again\n");
    });
}

TEST_CASE_METHOD(Fixture, "a silent guest is poked with zeros until it says hello") {
    run([](GuestLink& link, std::string path) -> Task<void> {
        UniqueFd fd(dial(path));
        ::fcntl(fd.get(), F_SETFL, O_NONBLOCK);
        std::array<char, 256> buffer{};
        ssize_t got = 0;
        for (int i = 0; i < 30 && got <= 0; ++i) {
            co_await sleep_for(100ms);
            got = ::read(fd.get(), buffer.data(), buffer.size());
        }
        CHECK(got == static_cast<ssize_t>(guest::kPoke));
        CHECK(std::ranges::all_of(buffer, [](char c) { return c == 0; }));
        CHECK(link.agent() == nullptr);
    });
}

TEST_CASE_METHOD(Fixture, "an agent of another protocol is refused") {
    run([](GuestLink& link, std::string path) -> Task<void> {
        UniqueFd fd(dial(path));
        const std::string hello = "\nBANGER-HELLO {\"version\":9,\"boot_id\":\"b\"}\n";
        CHECK(::write(fd.get(), hello.data(), hello.size()) > 0);
        std::string said;
        try {
            co_await link.wait_agent();
        } catch (const Error& e) {
            CHECK(e.code() == Errc::unsupported);
            said = e.what();
        }
        CHECK(said == "the guest's agent speaks protocol 9, this banger speaks 1");
    });
}

TEST_CASE_METHOD(Fixture, "hellos are skipped until the guest's first frame") {
    run([](GuestLink& link, std::string path) -> Task<void> {
        UniqueFd fd(dial(path));
        const std::string hello = "\nBANGER-HELLO {\"version\":1,\"boot_id\":\"b\"}\n";
        auto say = [&](std::string_view words) {
            CHECK(::write(fd.get(), words.data(), words.size()) > 0);
        };
        say(hello + hello + hello.substr(0, 20));
        auto agent = co_await link.wait_agent();
        co_await sleep_for(20ms);
        say(hello.substr(20) + "\n");
        co_await sleep_for(20ms);
        say(hello.substr(1));
        // SETTINGS, empty; then one that is no frame at all.
        say(std::string("\0\0\0\4\0\0\0\0\0", 9));
        co_await sleep_for(50ms);
        CHECK(agent->alive());
        say(hello);
        CHECK_THAT(co_await message_of(agent->sync(5s)), ContainsSubstring("is gone"));
    });
}

TEST_CASE_METHOD(Fixture, "an agent that does not answer is given up after the deadline") {
    run([](GuestLink& link, std::string path) -> Task<void> {
        UniqueFd fd(dial(path));
        const std::string hello = "\nBANGER-HELLO {\"version\":1,\"boot_id\":\"b\"}\n";
        CHECK(::write(fd.get(), hello.data(), hello.size()) > 0);
        auto agent = co_await link.wait_agent();
        CHECK(co_await message_of(agent->shutdown(200ms)) ==
              "the agent of vm 'box' did not answer POST /v1/shutdown within 0.2 s");
        const std::string junk = "this is no HTTP/2 frame at all, however long one looks at it";
        CHECK(::write(fd.get(), junk.data(), junk.size()) > 0);
        CHECK_THAT(co_await message_of(agent->sync(5s)), ContainsSubstring("is gone"));
    });
}

namespace {

/// The agent of a guest that says hello, its first frame, and nothing more; it stays at `fd`.
Task<std::shared_ptr<vm::AgentClient>> mute_agent(GuestLink& link, UniqueFd& fd) {
    const std::string words =
        "\nBANGER-HELLO {\"version\":1,\"boot_id\":\"b\"}\n" + std::string("\0\0\0\4\0\0\0\0\0", 9);
    CHECK(::write(fd.get(), words.data(), words.size()) > 0);
    co_return co_await link.wait_agent();
}

Task<void> with_short_patience(Task<void> (*body)(GuestLink&, std::string), std::string path) {
    GuestLink link(co_await boost::asio::this_coro::executor, path, "the agent of vm 'box'",
                   vm::KeepAlive{20ms, 5});
    co_await race(link.run(), body(link, path));
}

Task<void> start_nothing(std::shared_ptr<vm::AgentClient> agent) {
    co_await agent->exec(command({"true"}));
}

}  // namespace

TEST_CASE_METHOD(Fixture, "an agent that no longer answers is given up, and who waits is told") {
    auto body = [](GuestLink& link, std::string path) -> Task<void> {
        UniqueFd fd(dial(path));
        auto agent = co_await mute_agent(link, fd);
        co_await sleep_for(300ms);
        CHECK(agent->alive());  // nobody waits for it
        CHECK(co_await message_of(start_nothing(agent)) ==
              "the connection to the agent of vm 'box' is gone: it no longer answers");
        CHECK(link.agent() == nullptr);
        std::array<char, 4096> told{};
        const auto size = ::read(fd.get(), told.data(), told.size());
        // A PING of eight bytes: length, type.
        CHECK(std::string_view(told.data(), static_cast<std::size_t>(size))
                  .find(std::string_view("\0\0\10\6\0", 5)) != std::string_view::npos);
    };
    run_task(with_short_patience(body, listener));
}

TEST_CASE_METHOD(Fixture, "a guest that stands still is not given up") {
    auto body = [](GuestLink& link, std::string path) -> Task<void> {
        UniqueFd fd(dial(path));
        link.hold(true);
        auto agent = co_await mute_agent(link, fd);
        CHECK(co_await message_of(with_timeout(400ms, start_nothing(agent), "still waiting")) ==
              "still waiting");
        CHECK(agent->alive());
        link.hold(false);
        CHECK_THAT(co_await message_of(start_nothing(agent)),
                   ContainsSubstring("no longer answers"));
    };
    run_task(with_short_patience(body, listener));
}

TEST_CASE_METHOD(Fixture, "an agent that is silent for long, but there, is kept") {
    auto body = [](GuestLink& link, std::string path) -> Task<void> {
        LocalGuest guest(path, "b");
        auto agent = co_await link.wait_agent();
        auto session = co_await agent->exec(command({"sleep", "1"}));
        CHECK((co_await collect(*session)).exit_code == 0);
        CHECK(agent->alive());
    };
    run_task(with_short_patience(body, listener));
}

TEST_CASE("a guest's error has a code that guests may use, whatever it says") {
    const auto code_of = [](const std::string& code) {
        try {
            vm::throw_agent_error(503, R"({"error":{"code":")" + code + R"(","message":"no"}})",
                                  "the agent");
        } catch (const Error& e) {
            CHECK(std::string(e.what()) == "no");
            CHECK_FALSE(is_cancellation(std::current_exception()));
            return e.code();
        }
    };
    CHECK(code_of("not_found") == Errc::not_found);
    CHECK(code_of("invalid_argument") == Errc::invalid_argument);
    CHECK(code_of("internal") == Errc::internal);
    for (const auto* theirs_not : {"cancelled", "no_space", "timed_out", "unauthorized", "x", ""})
        CHECK(code_of(theirs_not) == Errc::unavailable);
}

TEST_CASE_METHOD(Fixture, "a guest is told how long it has, which is a little less than we wait") {
    run([](GuestLink& link, std::string path) -> Task<void> {
        UniqueFd fd(dial(path));
        auto agent = co_await mute_agent(link, fd);
        CHECK_THAT(co_await message_of(agent->shutdown(400ms)),
                   ContainsSubstring("did not answer POST /v1/shutdown"));
        std::array<char, 4096> told{};
        const auto size = ::read(fd.get(), told.data(), told.size());
        CHECK_THAT(std::string(told.data(), static_cast<std::size_t>(size)),
                   ContainsSubstring(R"({"reboot":false,"within_ms":300})"));
    });
}
