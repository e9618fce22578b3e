#include <poll.h>

#include "test/support/catch.hpp"
#include "test/unit/guest/local_agent.hpp"

using namespace banger;
using namespace std::chrono_literals;
using test::AgentClient;
using test::exec_request;
using test::Joined;
using test::LocalAgent;

TEST_CASE("the hello names version, boot and who is PID 1") {
    Joined joined;
    CHECK(joined.hello.find("\"version\":1") != std::string::npos);
    CHECK(joined.hello.find("\"boot_id\":\"a-boot\"") != std::string::npos);
    CHECK(joined.hello.find("\"init\":\"banger\"") != std::string::npos);
    CHECK(joined.hello.find("\"name\":\"agent\"") != std::string::npos);
}

TEST_CASE("health, unknown routes and bad bodies are answered") {
    Joined joined;
    const auto health = joined.client.call("GET", "/v1/health");
    CHECK(health.http_status == 200);
    CHECK(health.body.find("\"system\":\"none\"") != std::string::npos);
    CHECK(joined.client.call("GET", "/v1/nothing").http_status == 404);
    CHECK(joined.client.call("POST", "/v1/clock", "{}").http_status == 400);
    CHECK(joined.client.call("POST", "/v1/clock", "nonsense").http_status == 400);
    CHECK(joined.client.call("POST", "/v1/sync").http_status == 204);
}

TEST_CASE("exit statuses and signals come back") {
    Joined joined;
    auto& client = joined.client;
    CHECK(client.exec(exec_request({"true"})).status == R"({"exit_code":0})");
    CHECK(client.exec(exec_request({"sh", "-c", "exit 42"})).status == R"({"exit_code":42})");
    CHECK(client.exec(exec_request({"sh", "-c", "kill -15 $$"})).status == R"({"signal":15})");
    const auto missing = client.exec(exec_request({"no-such-command"}));
    CHECK(missing.http_status == 200);
    CHECK(missing.status == R"({"exit_code":127})");
    CHECK(missing.error.find("no-such-command") != std::string::npos);
    CHECK(client.exec(exec_request({"/etc/passwd"})).status == R"({"exit_code":126})");
}

TEST_CASE("standard output and standard error are kept apart") {
    Joined joined;
    const auto result = joined.client.exec(exec_request({"sh", "-c", "echo one; echo two >&2"}));
    CHECK(result.out == "one\n");
    CHECK(result.error == "two\n");
}

TEST_CASE("a request that cannot be run is refused with a sentence") {
    Joined joined;
    auto& client = joined.client;
    CHECK(client.exec(R"({"argv":[]})").http_status == 400);
    CHECK(client.exec("[]").http_status == 400);
    const auto user = client.exec(exec_request({"true"}, R"(,"user":"nobody-knows")"));
    CHECK(user.http_status == 400);
    CHECK(user.body.find("no user named 'nobody-knows'") != std::string::npos);
    CHECK(client.exec(exec_request({"true"}, R"(,"cwd":"/no/where")")).http_status == 400);
}

TEST_CASE("environment and working directory reach the process") {
    Joined joined;
    const auto result = joined.client.exec(exec_request(
        {"sh", "-c", "pwd; echo $A$HOME"}, R"(,"cwd":"/usr","env":["A=b","HOME=/x"])"));
    CHECK(result.out == "/usr\nb/x\n");
}

TEST_CASE("32 MiB pass through standard input to standard output intact") {
    Joined joined;
    std::string data(32 << 20, '\0');
    std::uint32_t state = 1;
    for (char& byte : data)
        byte = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
    const auto result = joined.client.exec(exec_request({"cat"}, R"(,"stdin":true)"), data);
    CHECK(result.status == R"({"exit_code":0})");
    CHECK(result.out == data);
}

TEST_CASE("a process that does not read stops neither the connection nor another process") {
    Joined joined;
    auto& client = joined.client;
    const auto deaf = client.start_exec(exec_request({"sleep", "60"}, R"(,"stdin":true)"));
    client.send(deaf, guest::Channel::standard_in, std::string(8 << 20, 'x'));
    const auto other = client.exec(exec_request({"cat"}, R"(,"stdin":true)"), "still here");
    CHECK(other.out == "still here");
    // What the process has not taken has not been let in: a window and a pipe at most.
    CHECK(client.stream(deaf).sent < (2U << 20));
    client.send(deaf, guest::Channel::signal, R"({"signal":9})");
    client.reset(deaf);
}

TEST_CASE("several processes run at once") {
    Joined joined;
    auto& client = joined.client;
    const auto first = client.start_exec(exec_request({"cat"}, R"(,"stdin":true)"));
    const auto second = client.start_exec(exec_request({"cat"}, R"(,"stdin":true)"));
    client.send(second, guest::Channel::standard_in, "two");
    client.run_until([&] { return client.stream(second).out == "two"; }, 5s);
    client.send(first, guest::Channel::standard_in, "one");
    client.run_until([&] { return client.stream(first).out == "one"; }, 5s);
    client.close_input(first);
    client.close_input(second);
    client.run_until([&] { return client.stream(first).closed && client.stream(second).closed; },
                     5s);
    CHECK(client.stream(first).status == R"({"exit_code":0})");
    CHECK(client.stream(second).status == R"({"exit_code":0})");
}

TEST_CASE("a background child that holds the pipes does not hold back the status") {
    Joined joined;
    const auto before = std::chrono::steady_clock::now();
    const auto result =
        joined.client.exec(exec_request({"sh", "-c", "sleep 5 & echo done; exit 3"}));
    CHECK(result.out == "done\n");
    CHECK(result.status == R"({"exit_code":3})");
    CHECK(std::chrono::steady_clock::now() - before < 3s);
}

TEST_CASE("a terminal has a size, is resized, and turns ^C into a signal") {
    Joined joined;
    auto& client = joined.client;
    const auto id =
        client.start_exec(exec_request({"sh", "-c", "stty size; read x; stty size; exec cat"},
                                       R"(,"tty":true,"stdin":true,"width":100,"height":40)"));
    client.run_until([&] { return client.stream(id).out.find("40 100") != std::string::npos; }, 5s);
    client.send(id, guest::Channel::resize, R"({"Width":77,"Height":33})");
    client.send(id, guest::Channel::standard_in, "\n");
    client.run_until([&] { return client.stream(id).out.find("33 77") != std::string::npos; }, 5s);
    // A shell that is about to start a program may swallow ^C: wait for what it becomes.
    client.send(id, guest::Channel::standard_in, "up\n");
    client.run_until(
        [&] { return client.stream(id).out.find("up\r\nup\r\n") != std::string::npos; }, 5s);
    client.send(id, guest::Channel::standard_in, "\x03");
    client.run_until([&] { return client.stream(id).closed; }, 5s);
    CHECK(client.stream(id).status == R"({"signal":2})");
}

TEST_CASE("signals reach the process group") {
    Joined joined;
    auto& client = joined.client;
    const auto id = client.start_exec(exec_request({"sh", "-c", "echo up; sleep 60"}));
    client.run_until([&] { return client.stream(id).out == "up\n"; }, 5s);
    client.send(id, guest::Channel::signal, R"({"signal":15})");
    client.run_until([&] { return client.stream(id).closed; }, 5s);
    CHECK(client.stream(id).status == R"({"signal":15})");
}

TEST_CASE("a reset stream hangs its process up") {
    Joined joined;
    auto& client = joined.client;
    const auto id = client.start_exec(exec_request({"sh", "-c", "echo $$; exec sleep 60"}));
    client.run_until([&] { return client.stream(id).out.find('\n') != std::string::npos; }, 5s);
    const std::string pid = client.stream(id).out.substr(0, client.stream(id).out.find('\n'));
    client.reset(id);
    bool gone = false;
    for (int look = 0; look < 50 && !gone; ++look) {
        gone = client.exec(exec_request({"kill", "-0", pid})).status != R"({"exit_code":0})";
    }
    CHECK(gone);
}

TEST_CASE("pokes in a session make the agent begin again with its hello") {
    Joined joined;
    auto& client = joined.client;
    CHECK(client.exec(exec_request({"true"})).http_status == 200);
    client.write_raw(std::string(guest::kPoke, '\0'));
    AgentClient again(std::move(client.fd()));
    CHECK(again.wait_hello(5s) == joined.hello);
    again.start_session();
    CHECK(again.exec(exec_request({"true"})).status == R"({"exit_code":0})");
}

TEST_CASE("a poke that lands inside an unfinished frame is noticed after silence") {
    Joined joined;
    auto& client = joined.client;
    CHECK(client.exec(exec_request({"true"})).http_status == 200);
    // The header of a DATA frame of 16 KiB whose payload never comes.
    client.write_raw(std::string("\x00\x40\x00\x00\x00\x00\x00\x00\x03", 9));
    std::this_thread::sleep_for(450ms);
    AgentClient again(std::move(client.fd()));
    CHECK(again.wait_hello(5s) == joined.hello);
}

TEST_CASE("the tail of an earlier session before the preface is skipped") {
    LocalAgent agent;
    AgentClient client(agent.take());
    client.wait_hello(5s);
    client.write_raw("garbage of an earlier session PRI * HTTPRI ");
    client.start_session();
    CHECK(client.exec(exec_request({"true"})).status == R"({"exit_code":0})");
}
