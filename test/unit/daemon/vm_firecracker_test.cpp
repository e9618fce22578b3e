#include <algorithm>

#include "daemon/vm/firecracker_backend.hpp"
#include "daemon/vm/firecracker_calls.hpp"
#include "daemon/vm/firecracker_client.hpp"
#include "pipelines/io/error.hpp"
#include "test/support/catch.hpp"
#include "test/support/run_task.hpp"
#include "test/support/temp_dir.hpp"
#include "test/unit/daemon/firecracker_spec.hpp"

using namespace banger;
using namespace banger::vm;
using namespace banger::test;

namespace {

std::vector<std::string> paths(const std::vector<FirecrackerCall>& calls) {
    std::vector<std::string> result;
    for (const auto& call : calls)
        result.push_back(call.path);
    return result;
}

}  // namespace

TEST_CASE("firecracker is told everything before it is told to start") {
    CHECK(paths(firecracker_calls({1, 16, 1}, firecracker_spec())) ==
          std::vector<std::string>{"/logger", "/serial", "/machine-config", "/boot-source",
                                   "/drives/disk0", "/drives/disk1", "/network-interfaces/net0",
                                   "/vsock", "/entropy", "/actions"});
}

TEST_CASE("a firecracker without a serial device is not asked for one") {
    auto called = paths(firecracker_calls({1, 13, 9}, firecracker_spec()));
    CHECK(std::ranges::find(called, "/serial") == called.end());
}

TEST_CASE("a vm without a network has no interface") {
    auto spec = firecracker_spec();
    spec.user_network = false;
    auto called = paths(firecracker_calls({1, 16, 1}, spec));
    CHECK(std::ranges::find(called, "/network-interfaces/net0") == called.end());
}

TEST_CASE("the kernel under firecracker resets by the keyboard's line and looks for no keyboard") {
    auto line = firecracker_command_line(firecracker_spec());
    CHECK(line ==
          "console=ttyS0 quiet reboot=k pci=off i8042.noaux i8042.nomux i8042.dumbkbd "
          "swiotlb=noforce");
}

TEST_CASE("a command line that firecracker would cut off is refused") {
    auto spec = firecracker_spec();
    spec.command_line = std::string(2000, 'x');
    CHECK_THROWS_WITH(firecracker_command_line(spec), ContainsSubstring("Firecracker takes 2047"));
}

TEST_CASE("a vm's hardware address is local, its own, and the same at every start") {
    CHECK(guest_mac("0123456789abcdef") == "06:01:23:45:67:89");
    CHECK(guest_mac("ab") == "06:ab:00:00:00:00");
}

TEST_CASE("firecracker's version is read, and nothing else is taken for one") {
    CHECK(parse_firecracker_version("Firecracker v1.16.1") == FirecrackerVersion{1, 16, 1});
    CHECK(parse_firecracker_version("Firecracker v1.17.0-dev") == FirecrackerVersion{1, 17, 0});
    auto text = GENERATE("", "Firecracker", "Firecracker v", "Firecracker v1", "Firecracker v1.2",
                         "Firecracker v1.-2.3", "QEMU emulator version 7.2.22", "v1.16.1");
    CHECK(parse_firecracker_version(text) == std::nullopt);
}

TEST_CASE("a firecracker that is missing, too old, or something else is refused in one sentence") {
    test::TempDir dir;
    auto program = [&](const std::string& script) {
        auto path = dir / "firecracker";
        test::write_program(path, script);
        return path;
    };
    auto ask = [](std::string path) { return test::run_task(ask_firecracker_version(path)); };
    CHECK(ask(program("echo 'Firecracker v1.5.0'; echo")) == kOldestFirecracker);
    CHECK_THROWS_WITH(ask(program("echo Firecracker v1.4.1")),
                      "Firecracker 1.4.1 is too old; 1.5.0 or newer is needed");
    CHECK_THROWS_WITH(ask(program("echo hello")), ContainsSubstring("is not Firecracker's"));
    CHECK_THROWS_WITH(ask(program("exit 3")), ContainsSubstring("exit status 3"));
    CHECK_THROWS_AS(ask(dir / "nothing"), Error);
}

TEST_CASE("firecracker's exit codes are told by their meaning") {
    CHECK(describe_firecracker_exit({148, 0}) ==
          "exit status 148, a system call that its filter forbids");
    CHECK(describe_firecracker_exit({152, 0}) ==
          "exit status 152, a configuration that it cannot use");
    CHECK(describe_firecracker_exit({1, 0}) == "exit status 1");
    CHECK(describe_firecracker_exit({0, 9}) == "killed by signal 9 (Killed)");
}

TEST_CASE("what firecracker says when it refuses comes as one line") {
    CHECK(firecracker_fault(R"({"fault_message":"The kernel file\ncannot be opened."})") ==
          "The kernel file cannot be opened");
    CHECK(firecracker_fault("<html>") == "<html>");
    CHECK(firecracker_fault("") == "without a word");
}
