#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "test/support/catch.hpp"
#include "test/unit/guest/guest_vm.hpp"

// Real boots under QEMU's TCG, where BANGER_GUEST_TEST_DIR names the material (see guest_vm.hpp).

using namespace banger;
using namespace std::chrono_literals;
using test::AgentClient;
using test::exec_request;
using test::GuestVm;
using test::TempDir;

namespace {

bool has_material() {
    if (!test::guest_material().empty()) return true;
    FAIL("BANGER_GUEST_TEST_DIR does not name a directory with vmlinux and modules/");
    return false;
}

/// A busybox image and an empty disk for one VM of it.
struct Disks {
    TempDir directory;
    std::string base = directory / "base.ext4";
    std::string disk = directory / "disk.ext4";
    Disks() {
        test::make_busybox_tree(directory / "tree");
        test::make_ext4(base, directory / "tree", 32);
        test::make_ext4(disk, "", 1024);
    }
    GuestVm::Options options(const std::string& settings = {}) const {
        return {settings, base, disk, false};
    }
};

std::string output(AgentClient& client, std::initializer_list<std::string_view> argv,
                   std::string_view more = {}) {
    return client.exec(exec_request(argv, more)).out;
}

void connect(GuestVm& vm, std::unique_ptr<AgentClient>& client, std::string* hello = nullptr) {
    client = std::make_unique<AgentClient>(vm.accept());
    const std::string line = client->wait_hello(60s);
    if (hello != nullptr) *hello = line;
    client->start_session();
}

bool is_clean(const std::string& disk) {
    const std::string command = "/sbin/e2fsck -fn " + disk + " > " + disk + ".fsck 2>&1";
    return WEXITSTATUS(std::system(command.c_str())) == 0;
}

}  // namespace

TEST_CASE("an image without an init boots and runs commands and stops clean") {
    if (!has_material()) return;
    Disks disks;
    const auto started = std::chrono::steady_clock::now();
    GuestVm vm(disks.directory, disks.options(R"("env":["IMAGE=yes"],"working_dir":"/etc")"));
    std::unique_ptr<AgentClient> client;
    std::string hello;
    connect(vm, client, &hello);
    const std::chrono::duration<double> ready = std::chrono::steady_clock::now() - started;
    WARN("ready after " << ready.count() << " s; " << hello);

    CHECK(client->exec(exec_request({"true"})).status == R"({"exit_code":0})");
    CHECK(client->exec(exec_request({"sh", "-c", "exit 42"})).status == R"({"exit_code":42})");
    CHECK(client->exec(exec_request({"nothing"})).status == R"({"exit_code":127})");
    CHECK(client->exec(exec_request({"sh", "-c", "kill -15 $$"})).status == R"({"signal":15})");
    CHECK(output(*client, {"sh", "-c", "pwd; echo $IMAGE $HOME $USER"}) ==
          "/etc\nyes /root root\n");
    CHECK(output(*client, {"id"}, R"(,"user":"ann")") ==
          "uid=1000(ann) gid=1000(ann) groups=10(wheel)\n");
    CHECK(output(*client, {"sh", "-c", "echo out >/dev/stdout"}, R"(,"user":"ann")") == "out\n");
    CHECK(output(*client, {"hostname"}) == "box\n");
    CHECK(output(*client, {"cat", "/etc/resolv.conf"}) == "nameserver 10.0.2.3\n");
    CHECK(output(*client, {"cat", "/etc/hosts"}).find("127.0.1.1\tbox") != std::string::npos);
    CHECK(output(*client, {"ip", "route"}).find("default via 10.0.2.2 dev eth0") == 0);
    // The image's files belong to whoever made it.
    CHECK(output(*client, {"stat", "-c", "%a %u", "/root/from-image"}) ==
          "640 " + std::to_string(::geteuid()) + "\n");
    CHECK(output(*client, {"readlink", "/root/link"}) == "from-image\n");
    CHECK(output(*client, {"cat", "/proc/1/comm"}) == "banger-init\n");
    CHECK(output(*client, {"cat", "/proc/1/cmdline"}).find("@banger-init") == 0);
    CHECK(output(*client, {"ps"}).find("@banger-agent") != std::string::npos);

    CHECK(client->call("POST", "/v1/shutdown", R"({"reboot":false})").http_status == 204);
    CHECK(vm.wait_exit(10s));
    CHECK(is_clean(disks.disk));
    CHECK(vm.serial_log().find("banger: agent ") != std::string::npos);
    CHECK(vm.serial_log().find("fatal") == std::string::npos);
}

TEST_CASE("files of /root and /etc are there after a stop and a start") {
    if (!has_material()) return;
    Disks disks;
    std::unique_ptr<AgentClient> client;
    {
        GuestVm vm(disks.directory, disks.options());
        connect(vm, client);
        client->exec(exec_request(
            {"sh", "-c", "echo r >/root/file; echo e >/etc/file; mkdir /a; mv /a /b"}));
        client->exec(exec_request(
            {"sh", "-c", "echo changed >/root/from-image; mv /etc /etc2; mv /etc2 /etc"}));
        CHECK(client->call("POST", "/v1/shutdown").http_status == 204);
        CHECK(vm.wait_exit(10s));
    }
    GuestVm vm(disks.directory, disks.options());
    connect(vm, client);
    CHECK(output(*client, {"cat", "/root/file", "/etc/file", "/root/from-image"}) ==
          "r\ne\nchanged\n");
}

TEST_CASE("100 MB pass through a guest's process intact") {
    if (!has_material()) return;
    Disks disks;
    GuestVm vm(disks.directory, disks.options());
    std::unique_ptr<AgentClient> client;
    connect(vm, client);
    std::string data(100'000'000, '\0');
    std::uint32_t state = 7;
    for (char& byte : data)
        byte = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
    const auto before = std::chrono::steady_clock::now();
    const auto result = client->exec(exec_request({"cat"}, R"(,"stdin":true)"), data);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - before;
    CHECK(result.out == data);
    CHECK(result.status == R"({"exit_code":0})");
    WARN("100 MB there and back in " << took.count() << " s");
}

TEST_CASE("a terminal in a guest has a size and is resized, beside another process") {
    if (!has_material()) return;
    Disks disks;
    GuestVm vm(disks.directory, disks.options());
    std::unique_ptr<AgentClient> client;
    connect(vm, client);
    const auto other = client->start_exec(exec_request({"cat"}, R"(,"stdin":true)"));
    const auto id = client->start_exec(
        exec_request({"sh", "-c", "stty size; read x; stty size; echo $TERM; exit 5"},
                     R"(,"tty":true,"stdin":true)"));
    auto& terminal = client->stream(id);
    client->run_until([&] { return terminal.out.find("24 80") != std::string::npos; }, 10s);
    client->send(id, guest::Channel::resize, R"({"Width":132,"Height":50})");
    client->send(id, guest::Channel::standard_in, "\n");
    client->run_until([&] { return terminal.closed; }, 10s);
    CHECK(terminal.out.find("50 132\r\nxterm\r\n") != std::string::npos);
    CHECK(terminal.status == R"({"exit_code":5})");
    client->send(other, guest::Channel::standard_in, "alive");
    client->close_input(other);
    client->run_until([&] { return client->stream(other).closed; }, 10s);
    CHECK(client->stream(other).out == "alive");
}

TEST_CASE("a host that comes back hears the hello of the same boot, and processes live on") {
    if (!has_material()) return;
    Disks disks;
    GuestVm vm(disks.directory, disks.options());
    std::unique_ptr<AgentClient> client;
    std::string first;
    connect(vm, client, &first);
    const auto id =
        client->start_exec(exec_request({"sh", "-c", "echo up; sleep 3; echo late >/root/late"}));
    client->run_until([&] { return client->stream(id).out == "up\n"; }, 10s);
    for (int round = 0; round < 3; ++round) {
        client.reset();
        std::string again;
        connect(vm, client, &again);
        CHECK(again == first);
        CHECK(client->exec(exec_request({"true"})).status == R"({"exit_code":0})");
    }
    CHECK(output(*client, {"sh", "-c", "while ! cat /root/late 2>/dev/null; do sleep 1; done"}) ==
          "late\n");
}

TEST_CASE("an agent that is killed is started again and says hello") {
    if (!has_material()) return;
    Disks disks;
    GuestVm vm(disks.directory, disks.options());
    std::unique_ptr<AgentClient> client;
    std::string first;
    connect(vm, client, &first);
    const auto id = client->start_exec(exec_request({"sh", "-c", "kill -9 $PPID; echo over"}));
    CHECK_THROWS(client->run_until([&] { return client->stream(id).closed; }, 1s));
    AgentClient again(std::move(client->fd()));
    // The new agent's timeline has its own "agent" mark.
    CHECK(again.wait_hello(20s).substr(0, 60) == first.substr(0, 60));
    again.start_session();
    CHECK(again.exec(exec_request({"true"})).status == R"({"exit_code":0})");
    CHECK(vm.serial_log().find("the agent ended with signal 9") != std::string::npos);
}

TEST_CASE("a guest without a root disk gives a plain verdict and powers off") {
    if (!has_material()) return;
    TempDir directory;
    GuestVm vm(directory, {});
    CHECK(vm.wait_exit(30s));
    CHECK(vm.serial_log().find("banger: fatal: no disk /dev/vda") != std::string::npos);
}

TEST_CASE("a plain copy of the image is a root too") {
    if (!has_material()) return;
    Disks disks;
    GuestVm vm(disks.directory, {R"("disk_mode":"copy")", disks.base, "", true});
    std::unique_ptr<AgentClient> client;
    connect(vm, client);
    CHECK(output(*client, {"sh", "-c", "echo x >/etc/new; cat /etc/new /root/from-image"}) ==
          "x\nseed\n");
    CHECK(client->call("POST", "/v1/shutdown").http_status == 204);
    CHECK(vm.wait_exit(10s));
    CHECK(is_clean(disks.base));
}

TEST_CASE("an image's systemd comes up behind the agent, and stops when asked") {
    const std::string image = test::guest_material() + "/debian.ext4";
    if (!has_material()) return;
    REQUIRE(std::filesystem::exists(image));
    TempDir directory;
    test::make_ext4(directory / "disk.ext4", "", 2048);
    const auto started = std::chrono::steady_clock::now();
    const auto elapsed = [&] {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    };
    GuestVm vm(directory, {"", image, directory / "disk.ext4", false});
    std::unique_ptr<AgentClient> client;
    std::string hello;
    connect(vm, client, &hello);
    WARN("ready after " << elapsed() << " s; " << hello);
    CHECK(hello.find("\"init\":\"image\"") != std::string::npos);
    std::string state;
    int execs = 0;
    while (elapsed() < 90 && state.find("\"running\"") == std::string::npos &&
           state.find("\"degraded\"") == std::string::npos) {
        REQUIRE(client->exec(exec_request({"sh", "-c", "exit 7"})).status == R"({"exit_code":7})");
        ++execs;
        state = client->call("GET", "/v1/health").body;
        std::this_thread::sleep_for(200ms);
    }
    WARN(execs << " execs until " << elapsed() << " s; " << state);
    CHECK(state.find("\"system\":\"running\"") != std::string::npos);
    WARN(output(*client, {"systemctl", "--failed", "--no-legend"}));
    WARN(output(*client, {"systemd-analyze", "blame", "--no-pager"}).substr(0, 600));
    WARN(output(*client, {"sh", "-c", "cat /proc/self/mounts; id; tty; cat /proc/1/comm"}));
    client->exec(exec_request({"sh", "-c", "echo kept >/root/kept"}));
    const double before = elapsed();
    CHECK(client->call("POST", "/v1/shutdown").http_status == 204);
    CHECK(vm.wait_exit(15s));
    WARN("stopped in " << elapsed() - before << " s");
    CHECK(is_clean(directory / "disk.ext4"));
    CHECK(vm.serial_log().find("the agent ended") == std::string::npos);
    std::ofstream(test::guest_material() + "/systemd-serial.log") << vm.serial_log();
}
