#include "daemon/net/port_forwards.hpp"

#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/write.hpp>

#include "daemon/net/loopback_pool.hpp"
#include "daemon/vm/guest_link.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/wait.hpp"
#include "test/support/catch.hpp"
#include "test/support/run_task.hpp"
#include "test/support/temp_dir.hpp"
#include "test/unit/daemon/local_guest.hpp"

using namespace banger;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using asio::ip::tcp;
using net::HostPort;
using net::PortForwards;
using test::ContainsSubstring;
using test::run_task;

namespace {

constexpr char kAddress[] = "127.64.3.2";

Task<std::unique_ptr<net::GuestConnection>> dial_guest(vm::GuestLink& link, std::uint16_t port) {
    auto agent = co_await with_timeout(2s, link.wait_agent(), "no agent");
    co_return co_await agent->connect(port);
}

/// Forwards to a real agent, whose "guest" is this host, and a server in it.
struct World {
    World(asio::any_io_executor executor, const std::string& path, std::size_t limit)
        : link(executor, path, "the agent of vm 'box'"),
          forwards(executor, {.connections = limit, .dial = 5s},
                   [this](std::uint16_t port) { return dial_guest(link, port); }),
          server(executor, {tcp::v4(), 0}) {}

    vm::GuestLink link;
    PortForwards forwards;
    tcp::acceptor server;
    HostPort at{kAddress, 0};

    std::uint16_t guest_port() const { return server.local_endpoint().port(); }
    /// At the first free port from 20000 on.
    void publish(std::uint16_t guest) {
        for (at.port = 20000;; ++at.port) {
            try {
                return forwards.open(at, guest);
            } catch (const Error& e) {
                if (e.code() != Errc::conflict) throw;
            }
        }
    }
};

using Body = Task<void> (*)(World&);

Task<void> serve_world(World& world) {
    co_await when_all(world.link.run(), world.forwards.run());
}

Task<void> live(std::string path, std::size_t limit, Body body) {
    World world(co_await asio::this_coro::executor, path, limit);
    co_await race(serve_world(world), body(world));
}

Task<void> live_with_guest(std::string path, std::size_t limit, Body body) {
    World world(co_await asio::this_coro::executor, path, limit);
    test::LocalGuest guest(path, "a-boot");
    co_await race(serve_world(world), body(world));
}

void run(Body body, std::size_t limit = 128) {
    test::TempDir directory;
    run_task(live_with_guest(directory / "vsock.sock_1024", limit, body));
}

Task<tcp::socket> connect(World& world) {
    tcp::socket socket(co_await asio::this_coro::executor);
    const tcp::endpoint to(asio::ip::make_address(world.at.address), world.at.port);
    co_await socket.async_connect(to, asio::use_awaitable);
    co_return socket;
}

Task<void> write(tcp::socket& socket, std::string text) {
    co_await asio::async_write(socket, asio::buffer(text), asio::use_awaitable);
}

/// All up to the end; "reset" when it ended so.
Task<std::string> read_all(tcp::socket& socket) {
    std::string all;
    std::array<char, 16384> buffer;
    for (;;) {
        auto [error, size] = co_await socket.async_read_some(asio::buffer(buffer), as_tuple);
        all.append(buffer.data(), size);
        if (error == asio::error::connection_reset) co_return "reset";
        if (error) co_return all;
    }
}

Task<void> echo_once(tcp::acceptor& server) {
    auto peer = co_await server.async_accept(asio::use_awaitable);
    co_await write(peer, co_await read_all(peer));
}

}  // namespace

TEST_CASE("a vm's loopback address follows from its id, and is its own") {
    const auto first = net::choose_loopback_address("93f22d609ef6", {});
    CHECK(first == net::choose_loopback_address("93f22d609ef6", {}));
    const auto second = net::choose_loopback_address("93f22d609ef6", {first});
    CHECK(second != first);
    std::set<std::string> taken;
    for (int i = 0; i < 2000; ++i) {
        const auto address = net::choose_loopback_address(std::to_string(i), taken);
        const auto bytes = asio::ip::make_address_v4(address).to_bytes();
        CHECK((bytes[0] == 127 && bytes[1] >= 64 && bytes[1] < 128));
        CHECK((bytes[3] != 0 && bytes[3] != 255));
        taken.insert(address);
    }
    CHECK(taken.size() == 2000);
}

TEST_CASE("a published port leads into the guest, each direction shut by itself") {
    run([](World& world) -> Task<void> {
        world.publish(world.guest_port());
        auto client = co_await connect(world);
        std::string big(3 << 20, 'x');
        auto ask = [](tcp::socket& socket, std::string text) -> Task<std::string> {
            co_await write(socket, text);
            socket.shutdown(tcp::socket::shutdown_send);
            co_return co_await read_all(socket);
        };
        auto both = co_await when_all(echo_once(world.server), ask(client, big));
        CHECK(std::get<1>(both) == big);
    });
}

TEST_CASE("a port of the guest where nobody listens resets the connection") {
    run([](World& world) -> Task<void> {
        world.publish(world.guest_port());
        world.server.close();
        auto client = co_await connect(world);
        CHECK(co_await read_all(client) == "reset");
    });
}

TEST_CASE("a guest whose agent is gone resets connections, and does not let them hang") {
    test::TempDir directory;
    run_task(live(directory / "vsock.sock_1024", 128, [](World& world) -> Task<void> {
        world.publish(80);
        auto client = co_await connect(world);
        CHECK(co_await read_all(client) == "reset");
    }));
}

TEST_CASE("a client that resets its connection resets the guest's") {
    run([](World& world) -> Task<void> {
        world.publish(world.guest_port());
        auto client = co_await connect(world);
        auto peer = co_await world.server.async_accept(asio::use_awaitable);
        client.set_option(asio::socket_base::linger(true, 0));
        client.close();
        CHECK(co_await read_all(peer) == "reset");
    });
}

TEST_CASE("a connection that came by no port counts with those that did") {
    run(
        [](World& world) -> Task<void> {
            world.publish(world.guest_port());
            auto first = co_await connect(world);
            auto first_peer = co_await world.server.async_accept(asio::use_awaitable);
            auto second = co_await world.forwards.connect(world.guest_port());
            auto second_peer = co_await world.server.async_accept(asio::use_awaitable);
            auto third = co_await connect(world);
            CHECK(co_await read_all(third) == "reset");
            std::string said;
            try {
                co_await world.forwards.connect(world.guest_port());
            } catch (const Error& e) {
                said = e.what();
            }
            CHECK(said == "the vm has 2 connections already, as many as it may; close some");
            second.reset();
            second = co_await world.forwards.connect(world.guest_port());
        },
        2);
}

TEST_CASE("connections beyond the limit are reset, and there is room again when one ends") {
    run(
        [](World& world) -> Task<void> {
            world.publish(world.guest_port());
            auto first = co_await connect(world);
            auto first_peer = co_await world.server.async_accept(asio::use_awaitable);
            auto second = co_await connect(world);
            auto second_peer = co_await world.server.async_accept(asio::use_awaitable);
            auto third = co_await connect(world);
            CHECK(co_await read_all(third) == "reset");
            first.close();
            CHECK((co_await read_all(first_peer)).empty());
            first_peer.close();
            std::string answer = "reset";
            // The forward hears of the end a moment later.
            while (answer == "reset") {
                auto again = co_await connect(world);
                boost::system::error_code ignored;
                again.shutdown(tcp::socket::shutdown_send, ignored);
                auto both = co_await race(echo_once(world.server), read_all(again));
                answer = both.index() == 1 ? std::get<1>(both) : "";
            }
            CHECK(answer.empty());
        },
        2);
}

TEST_CASE("a port in use, one that is not ours, and what is no address are refused") {
    run([](World& world) -> Task<void> {
        world.publish(80);
        PortForwards other(co_await asio::this_coro::executor, {}, {});
        CHECK_THROWS_WITH(other.open(world.at, 80), ContainsSubstring("is in use already"));
        CHECK(other.ports().empty());
        CHECK_THROWS_WITH(other.open({"192.0.2.1", 8080}, 80),
                          ContainsSubstring("is no address of this host"));
        CHECK_THROWS_WITH(other.open({"somewhere", 8080}, 80),
                          ContainsSubstring("'somewhere' is no address"));
        world.forwards.close(world.at);
        other.open(world.at, 80);
        CHECK(other.ports().size() == 1);
    });
}

TEST_CASE("a port that is published no more is refused, what stands goes on") {
    run([](World& world) -> Task<void> {
        world.publish(world.guest_port());
        auto client = co_await connect(world);
        auto peer = co_await world.server.async_accept(asio::use_awaitable);
        CHECK(world.forwards.close(world.at));
        CHECK_FALSE(world.forwards.close(world.at));
        tcp::socket late(co_await asio::this_coro::executor);
        const tcp::endpoint to(asio::ip::make_address(world.at.address), world.at.port);
        auto [error] = co_await late.async_connect(to, as_tuple);
        CHECK(error == asio::error::connection_refused);
        co_await write(client, "still here");
        std::array<char, 10> text;
        co_await asio::async_read(peer, asio::buffer(text), asio::use_awaitable);
        CHECK(std::string_view(text.data(), text.size()) == "still here");
    });
}

TEST_CASE("the ports of a vm that has ended are free at once, and stay so") {
    run([](World& world) -> Task<void> {
        world.publish(world.guest_port());
        auto client = co_await connect(world);
        world.forwards.close();
        CHECK(world.forwards.ports().empty());
        PortForwards next(co_await asio::this_coro::executor, {}, nullptr);
        CHECK_NOTHROW(next.open(world.at, 80));
        CHECK_THROWS_AS(world.forwards.open(world.at, 80), Error);
    });
}
