#include "pipelines/io/digest.hpp"
#include "pipelines/io/error.hpp"
#include "test/e2e/vm_host.hpp"
#include "test/support/catch.hpp"

using namespace banger;
using namespace banger::test;

namespace {

/// One VM for the tests of this file.
const std::string& box() {
    static const std::string name = vm_host().boot("exec-box").name;
    return name;
}

std::string noise(std::size_t size) {
    std::string text(size, '\0');
    std::uint32_t state = 1;
    for (auto& c : text) {
        state = state * 1664525 + 1013904223;
        c = static_cast<char>(state >> 24);
    }
    return text;
}

}  // namespace

TEST_CASE("a vm boots, says when what happened, and runs commands") {
    auto& host = vm_host();
    auto info = host.run(host.vms().show(box()));
    CHECK(info.state == "running");
    CHECK(info.isolation == "emulated");
    REQUIRE(info.boot);
    CHECK(info.boot->verdict == "ready");
    std::vector<std::string> names;
    std::int64_t last = 0;
    for (const auto& mark : info.boot->timeline) {
        names.push_back(mark.name);
        CHECK(mark.ms >= last);
        last = mark.ms;
        WARN(mark.name << " " << mark.ms << " ms");
    }
    for (auto name : {"disks", "vmm", "kernel", "init", "root", "agent", "ready"}) {
        CHECK(std::ranges::find(names, name) != names.end());
    }
    auto hello = shell(host, box(), "echo hello; echo trouble >&2; hostname");
    CHECK(hello.out == "hello\nexec-box\n");
    CHECK(hello.err == "trouble\n");
    CHECK(hello.exit_code == 0);
}

TEST_CASE("a command's exit status comes back") {
    auto& host = vm_host();
    CHECK(shell(host, box(), "exit 42").exit_code == 42);
    CHECK(exec(host, box(), {"no-such-command"}).exit_code == 127);
    CHECK(shell(host, box(), "kill -TERM $$").exit_code == 128 + 15);
    CHECK(exec(host, box(), {"true"}).exit_code == 0);
}

TEST_CASE("100 MB go through a command unchanged") {
    auto& host = vm_host();
    auto input = noise(100'000'000);
    auto began = std::chrono::steady_clock::now();
    auto outcome = exec(host, box(), {"cat"}, input);
    std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - began;
    WARN("100 MB in and out in " << seconds.count() << " s");
    CHECK(outcome.exit_code == 0);
    CHECK(outcome.out.size() == input.size());
    CHECK(sha256(outcome.out) == sha256(input));
}

TEST_CASE("a reader that stops holds its own command up and no other") {
    auto& host = vm_host();
    auto stuck = host.run(host.vms().exec(box(), {.command = {"cat", "/dev/zero"}}));
    host.run(sleep_for(std::chrono::seconds(2)));
    CHECK(shell(host, box(), "echo alive").out == "alive\n");
    host.run(stuck->signal(9));
    // Whatever the bound of what is in flight is, it is far below this.
    std::size_t bytes = 0;
    for (;;) {
        auto event = host.run(stuck->next());
        bytes += event.bytes.size();
        if (event.kind == vm::ExecEvent::Kind::exited) {
            CHECK(event.exit_code == 128 + 9);
            break;
        }
    }
    CHECK(bytes < 4'000'000);
}

TEST_CASE("a terminal has the size it was given and takes a new one") {
    auto& host = vm_host();
    api::ExecRequest request{
        .command = {"sh"}, .tty = true, .stdin = true, .width = 91, .height = 33};
    auto session = host.run(host.vms().exec(box(), request));
    auto type = [&](const std::string& line) {
        host.run(session->write_stdin(std::as_bytes(std::span(line))));
    };
    std::string screen;
    auto read_until = [&](const std::string& text) {
        while (screen.find(text) == std::string::npos) {
            auto event = host.run(session->next());
            REQUIRE(event.kind == vm::ExecEvent::Kind::standard_out);
            screen.append(reinterpret_cast<const char*>(event.bytes.data()), event.bytes.size());
        }
    };
    type("stty size\n");
    read_until("33 91");
    host.run(session->resize(120, 40));
    type("stty size\n");
    read_until("40 120");
    type("exit 7\n");
    auto event = host.run(session->next());
    while (event.kind != vm::ExecEvent::Kind::exited)
        event = host.run(session->next());
    CHECK(event.exit_code == 7);
}

TEST_CASE("a command whose client vanishes ends") {
    auto& host = vm_host();
    auto count = [&] { return shell(host, box(), "ps -o args | grep -c '^sleep 4711'").out; };
    {
        auto session = host.run(host.vms().exec(box(), {.command = {"sleep", "4711"}}));
        CHECK(count() == "1\n");
    }
    for (int i = 0; i < 50 && count() != "0\n"; ++i) {
        host.run(sleep_for(std::chrono::milliseconds(200)));
    }
    CHECK(count() == "0\n");
}

TEST_CASE("environment, directory and user are those asked for") {
    auto& host = vm_host();
    api::ExecRequest request{.command = {"sh", "-c", "echo $COLOUR; pwd; id -u"},
                             .env = {"COLOUR=green"},
                             .cwd = "/tmp",
                             .user = "user"};
    auto session = host.run(host.vms().exec(box(), request));
    std::string out;
    for (;;) {
        auto event = host.run(session->next());
        if (event.kind == vm::ExecEvent::Kind::exited) break;
        out.append(reinterpret_cast<const char*>(event.bytes.data()), event.bytes.size());
    }
    CHECK(out == "green\n/tmp\n1000\n");
}

TEST_CASE("the guest's clock is right and runs at the right speed") {
    auto& host = vm_host();
    auto guest_ms = [&] {
        auto text = shell(host, box(), "cut -d' ' -f1 /proc/uptime; date +%s").out;
        return std::pair{std::stod(text) * 1000, std::stoll(text.substr(text.find('\n')))};
    };
    auto host_now = [] { return std::chrono::steady_clock::now(); };
    auto began = host_now();
    auto first = guest_ms();
    host.run(sleep_for(std::chrono::seconds(10)));
    auto second = guest_ms();
    std::chrono::duration<double, std::milli> passed = host_now() - began;
    // 10 % of slack are for the two commands; a wrong counter frequency is off by a factor.
    CHECK(std::abs(second.first - first.first - passed.count()) < passed.count() * 0.1);
    CHECK(std::abs(second.second - ::time(nullptr)) <= 2);
}

TEST_CASE("a command that is none and a vm that is none are refused with a sentence") {
    auto& host = vm_host();
    CHECK_THROWS_WITH(host.run(host.vms().exec("exec-bux", {.command = {"true"}})),
                      "no vm named 'exec-bux'; did you mean 'exec-box'?");
    CHECK_THROWS_WITH(host.run(host.vms().exec(box(), {})), "no command given");
}
