#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/write.hpp>

#include "pipelines/io/error.hpp"
#include "test/e2e/vm_host.hpp"
#include "test/support/catch.hpp"

using namespace banger;
using namespace banger::test;
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

/// Says its line to whoever connects.
constexpr char kServer[] =
    "nc -ll -p 7000 -e echo from-the-guest </dev/null >/dev/null 2>&1 & "
    "until netstat -ltn | grep -q :7000; do :; done";

/// The line that comes from there; the error's message when none does.
Task<std::string> line_from(std::string address, std::uint16_t port) {
    tcp::socket socket(co_await asio::this_coro::executor);
    const tcp::endpoint to(asio::ip::make_address(address), port);
    auto [refused] = co_await socket.async_connect(to, as_tuple);
    if (refused) co_return refused.message();
    std::string text;
    auto [error, size] =
        co_await asio::async_read_until(socket, asio::dynamic_buffer(text), '\n', as_tuple);
    co_return error ? error.message() : text;
}

api::VmInfo create(VmHost& host, const std::string& name, std::vector<api::PublishedPort> ports) {
    api::VmCreateRequest request;
    request.name = name;
    request.image = host.image("busybox");
    request.publish = std::move(ports);
    return host.run(host.vms().create(std::move(request), {}));
}

std::vector<std::string> reachable(const api::VmPorts& ports, std::uint16_t port) {
    for (const auto& listener : ports.listeners) {
        if (listener.port == port) return listener.reachable;
    }
    return {};
}

}  // namespace

TEST_CASE("published ports lead into the guest, also on a running VM and under a new daemon") {
    auto& host = vm_host();
    auto vm = create(host, "server", {{"", 17000, 7000}});
    CHECK(vm.address.starts_with("127."));
    CHECK(shell(host, "server", kServer).exit_code == 0);
    CHECK(host.run(line_from(vm.address, 17000)) == "from-the-guest\n");

    auto ports = host.run(host.vms().publish("server", {"127.0.0.1", 17001, 7000}));
    CHECK(reachable(ports, 7000).size() == 2);
    CHECK_FALSE(ports.listeners.front().process.empty());
    CHECK(host.run(line_from("127.0.0.1", 17001)) == "from-the-guest\n");

    SECTION("a port that is in use leaves no VM behind") {
        CHECK_THROWS_WITH(create(host, "second", {{"127.0.0.1", 17001, 80}}),
                          ContainsSubstring("127.0.0.1:17001 is in use already"));
        CHECK_THROWS_AS(host.run(host.vms().show("second")), Error);
        CHECK(host.vmms().size() == 1);
    }
    SECTION("the daemon restarts") {
        host.restart();
        CHECK(host.run(line_from(vm.address, 17000)) == "from-the-guest\n");
        CHECK(host.run(line_from("127.0.0.1", 17001)) == "from-the-guest\n");
        CHECK(host.run(host.vms().show("server")).boot_id == vm.boot_id);
    }
    SECTION("a port is published no more") {
        host.run(host.vms().unpublish("server", "127.0.0.1", 17001));
        CHECK(host.run(line_from("127.0.0.1", 17001)) == "Connection refused");
        CHECK_THROWS_AS(host.run(host.vms().unpublish("server", "127.0.0.1", 17001)), Error);
        CHECK(host.run(line_from(vm.address, 17000)) == "from-the-guest\n");
    }
    SECTION("the VM stops, and starts again") {
        host.run(host.vms().stop("server", 30, {}));
        CHECK(host.run(line_from(vm.address, 17000)) == "Connection refused");
        auto started = host.run(host.vms().start("server", {}));
        CHECK(started.address == vm.address);
        CHECK(shell(host, "server", kServer).exit_code == 0);
        CHECK(host.run(line_from(vm.address, 17000)) == "from-the-guest\n");
    }
    SECTION("the VM restarts, and listens where it did") {
        auto again = host.run(host.vms().restart("server", 30, {}));
        CHECK(again.state == "running");
        CHECK(again.boot_id != vm.boot_id);
        CHECK(shell(host, "server", kServer).exit_code == 0);
        CHECK(host.run(line_from(vm.address, 17000)) == "from-the-guest\n");
        CHECK(host.run(line_from("127.0.0.1", 17001)) == "from-the-guest\n");
    }
    host.run(host.vms().remove("server", true, {}));
    CHECK(host.run(line_from(vm.address, 17000)) == "Connection refused");
}

TEST_CASE("ports change with the rest of a vm, while it runs and while it is stopped") {
    auto& host = vm_host();
    auto vm = create(host, "moved", {{"", 17000, 7000}});
    CHECK(shell(host, "moved", kServer).exit_code == 0);
    using Ports = std::vector<api::PublishedPort>;
    host.run(host.vms().change(
        "moved", {.publish = Ports{{"", 17002, 7000}}, .unpublish = Ports{{"", 17000, 0}}}));
    CHECK(host.run(line_from(vm.address, 17002)) == "from-the-guest\n");
    CHECK(host.run(line_from(vm.address, 17000)) == "Connection refused");

    host.run(host.vms().stop("moved", 30, {}));
    const auto changed =
        host.run(host.vms().change("moved", {.vcpu = 2, .publish = Ports{{"", 17000, 7000}}}));
    CHECK(changed.publish.size() == 2);
    host.run(host.vms().start("moved", {}));
    CHECK(shell(host, "moved", kServer).exit_code == 0);
    CHECK(host.run(line_from(vm.address, 17000)) == "from-the-guest\n");
    host.run(host.vms().remove("moved", true, {}));
}

TEST_CASE("all ports of the guest appear on the VM's own address when asked for") {
    auto& host = vm_host();
    auto vm = create(host, "open", {});
    CHECK(shell(host, "open", kServer).exit_code == 0);
    CHECK(host.run(line_from(vm.address, 7000)) == "Connection refused");
    host.run(host.vms().publish_all("open", true));
    for (int i = 0; i < 300 && host.run(line_from(vm.address, 7000)) != "from-the-guest\n"; ++i)
        host.run(sleep_for(std::chrono::milliseconds(200)));
    CHECK(host.run(line_from(vm.address, 7000)) == "from-the-guest\n");
    CHECK(host.run(line_from("127.0.0.1", 7000)) == "Connection refused");
    host.run(host.vms().publish_all("open", false));
    for (int i = 0; i < 300 && host.run(line_from(vm.address, 7000)) != "Connection refused"; ++i)
        host.run(sleep_for(std::chrono::milliseconds(200)));
    CHECK(host.run(line_from(vm.address, 7000)) == "Connection refused");
    host.run(host.vms().remove("open", true, {}));
}
