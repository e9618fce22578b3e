#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <boost/json/parse.hpp>
#include <optional>

#include "guest/vsock-agent/listeners.hpp"
#include "guest/vsock-agent/traffic.hpp"
#include "test/support/catch.hpp"
#include "test/unit/guest/local_agent.hpp"

using namespace banger;
using namespace std::chrono_literals;
using guest::Fd;
using test::Joined;

namespace {

constexpr auto kLong = 60s;

/// A TCP server at any port of one loopback address.
struct Server {
    explicit Server(const char* address = "127.0.0.1", int backlog = 16)
        : listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in at{};
        at.sin_family = AF_INET;
        REQUIRE(::inet_pton(AF_INET, address, &at.sin_addr) == 1);
        auto* any = reinterpret_cast<sockaddr*>(&at);
        socklen_t size = sizeof at;
        REQUIRE(::bind(listener.get(), any, size) == 0);
        REQUIRE(::listen(listener.get(), backlog) == 0);
        REQUIRE(::getsockname(listener.get(), any, &size) == 0);
        port = ntohs(at.sin_port);
    }
    Fd accept() const { return Fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)); }
    std::string query() const { return "?port=" + std::to_string(port); }

    Fd listener;
    int port = 0;
};

std::string receive(const Fd& socket, std::size_t count) {
    std::string bytes(count, '\0');
    const ssize_t got = ::recv(socket.get(), bytes.data(), count, MSG_WAITALL);
    bytes.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    return bytes;
}

void send_all(const Fd& socket, const std::string& bytes) {
    REQUIRE(::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(bytes.size()));
}

/// The stream's end that is served, and the process's end of the connection.
struct Connected {
    Joined joined;
    Server server;
    std::int32_t id = joined.client.start_connect(server.query());
    Fd peer;
    Connected() {
        joined.client.run_until([&] { return stream().http_status == 200; }, kLong);
        peer = server.accept();
    }
    test::AgentClient::Stream& stream() { return joined.client.stream(id); }
    void until(const std::function<bool()>& done) { joined.client.run_until(done, kLong); }
    /// The agent has handled all that was sent before.
    void settle() { joined.client.call("GET", "/v1/health"); }
};

bool lists(const std::string& body, int port) {
    const auto json = boost::json::parse(body).as_object();
    const auto& listeners = json.at("listeners").as_array();
    return std::any_of(listeners.begin(), listeners.end(), [&](const boost::json::value& listener) {
        return listener.at("port").to_number<int>() == port &&
               listener.at("address").as_string() == "127.0.0.1" &&
               listener.at("process").as_string() == "guest_test";
    });
}

}  // namespace

TEST_CASE("the kernel's table of sockets is read: who listens, in both families") {
    constexpr std::string_view kTable =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  "
        "timeout inode\n"
        "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        "
        "0 4711 1 0000 100 0 0 10 0\n"
        "   1: 0100007F:1F90 0100007F:8000 01 00000000:00000000 00:00000000 00000000     0        "
        "0 4712 1 0000 100 0 0 10 0\n";
    const auto v4 = guest::parse_listeners(kTable, false);
    REQUIRE(v4.size() == 1);
    CHECK(v4[0].address == "127.0.0.1");
    CHECK(v4[0].port == 8080);
    CHECK(v4[0].inode == 4711);
    const auto v6 = guest::parse_listeners(
        "  0: 00000000000000000000000001000000:0016 00000000000000000000000000000000:0000 0A "
        "00000000:00000000 00:00000000 00000000 0 0 99 1 0000 100 0 0 10 0\n",
        true);
    REQUIRE(v6.size() == 1);
    CHECK(v6[0].address == "::1");
    CHECK(v6[0].port == 22);
}

TEST_CASE("lines that are no sockets are no listeners") {
    for (const char* line :
         {"", "\n\n", "0:", "0: 0100007F 0 0A", "0: zz00007F:1F90 0:0 0A 0 0 0 0 0 1",
          "0: 0100007F:1F90F 0:0 0A 0 0 0 0 0 1", "0: 0100007F:1F90 0:0 0A 0 0 0 0 0 x",
          "0: 0100007F:1F90 0:0 0A",
          "0: 00000000000000000000000001000000:0016 0:0 0A 0 0 0 0 0 1"}) {
        INFO(line);
        CHECK(guest::parse_listeners(line, false).empty());
    }
}

TEST_CASE("bytes through the cards that count are summed") {
    constexpr std::string_view kTable =
        "Inter-|   Receive                                                |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs\n"
        "    lo: 99      1    0    0    0     0          0         0       99      1    0 0 0 0 0 "
        "0\n"
        "  eth0: 1000    2    0    0    0     0          0         0       20      1    0 0 0 0 0 "
        "0\n"
        "enp0s5:18446744073     2    0    0    0     0     0     0     3      1    0 0 0 0 0 0\n"
        "  eth2: 7 8 9\n: 1 1 1 1 1 1 1 1 1\n";
    const auto sum =
        guest::parse_traffic(kTable, [](const std::string& name) { return name != "lo"; });
    CHECK(sum.received == 18446745073);
    CHECK(sum.sent == 23);
    Joined joined;
    CHECK(joined.client.call("GET", "/v1/traffic").body.starts_with("{\"received\":"));
}

TEST_CASE("listeners are listed with their process, and gone once closed") {
    Joined joined;
    std::optional<Server> server(std::in_place);
    const int port = server->port;
    CHECK(lists(joined.client.call("GET", "/v1/listeners").body, port));
    // Known by now, so this time nobody's descriptors are looked at.
    CHECK(lists(joined.client.call("GET", "/v1/listeners").body, port));
    server.reset();
    CHECK_FALSE(lists(joined.client.call("GET", "/v1/listeners").body, port));
}

TEST_CASE("bytes go both ways through a connection to the guest") {
    Connected both;
    both.joined.client.send_bytes(both.id, "hello");
    both.settle();
    CHECK(receive(both.peer, 5) == "hello");
    send_all(both.peer, "world");
    both.until([&] { return both.stream().body == "world"; });
}

TEST_CASE("each direction of a connection is shut by itself") {
    Connected both;
    SECTION("the host's first") {
        both.joined.client.send_bytes(both.id, "ask");
        both.joined.client.end(both.id);
        both.settle();
        CHECK(receive(both.peer, 100) == "ask");
        CHECK_FALSE(both.stream().closed);
        send_all(both.peer, "answer");
        both.peer.reset();
    }
    SECTION("the guest's first") {
        send_all(both.peer, "answer");
        ::shutdown(both.peer.get(), SHUT_WR);
        both.until([&] { return both.stream().response_ended; });
        CHECK_FALSE(both.stream().closed);
        both.joined.client.send_bytes(both.id, "still heard");
        both.joined.client.end(both.id);
        both.settle();
        CHECK(receive(both.peer, 100) == "still heard");
    }
    both.until([&] { return both.stream().closed; });
    CHECK(both.stream().body == "answer");
    CHECK(both.stream().close_code == NGHTTP2_NO_ERROR);
}

TEST_CASE("a port where nobody listens is refused with a sentence") {
    Joined joined;
    const int free = Server().port;
    const auto id = joined.client.start_connect("?port=" + std::to_string(free));
    auto& stream = joined.client.stream(id);
    joined.client.run_until([&] { return stream.closed; }, kLong);
    CHECK(stream.http_status == 503);
    CHECK(stream.body.find("takes no connection: Connection refused") != std::string::npos);
}

TEST_CASE("what is no port is refused") {
    Joined joined;
    for (const char* query :
         {"", "?", "?port=", "?port=0", "?port=65536", "?port=-1", "?port=80x", "?other=80"}) {
        INFO(query);
        const auto id = joined.client.start_connect(query);
        auto& stream = joined.client.stream(id);
        joined.client.run_until([&] { return stream.closed; }, kLong);
        CHECK(stream.http_status == 400);
    }
}

TEST_CASE("a listener at another address of the guest's own is found") {
    Joined joined;
    Server server("127.3.2.1");
    const auto id = joined.client.start_connect(server.query());
    joined.client.run_until([&] { return joined.client.stream(id).http_status == 200; }, kLong);
    CHECK(server.accept());
}

TEST_CASE("a reset stream resets the connection, and the other way round") {
    Connected both;
    SECTION("the host's end") {
        both.joined.client.reset(both.id);
        both.settle();
        char byte = 0;
        CHECK(::recv(both.peer.get(), &byte, 1, 0) == -1);
        CHECK(errno == ECONNRESET);
    }
    SECTION("the guest's end") {
        const linger at_once{1, 0};
        ::setsockopt(both.peer.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        both.peer.reset();
        both.until([&] { return both.stream().closed; });
        CHECK_FALSE(both.stream().response_ended);
        CHECK(both.stream().close_code != NGHTTP2_NO_ERROR);
    }
}

TEST_CASE("a process that has closed its end ends the stream once the host sends on") {
    Connected both;
    send_all(both.peer, "bye");
    both.peer.reset();
    both.until([&] { return both.stream().response_ended; });
    // The first piece is answered by a reset of the connection, the next one finds it.
    while (!both.stream().closed) {
        both.joined.client.send_bytes(both.id, "more");
        both.settle();
    }
    CHECK(both.stream().body == "bye");
}

TEST_CASE("a process that does not read holds up its own connection only") {
    Connected both;
    both.joined.client.send_bytes(both.id, std::string(32 << 20, 'x'));
    // The window of the stream and the buffers of the socket are full long before that.
    both.settle();
    CHECK(both.stream().sent < (std::size_t{24} << 20));
    both.settle();
    CHECK_FALSE(both.stream().closed);
}

TEST_CASE("two hundred connections at once carry what each was given") {
    Joined joined;
    Server server("127.0.0.1", 256);
    std::vector<std::int32_t> ids;
    for (int i = 0; i < 200; ++i) {
        ids.push_back(joined.client.start_connect(server.query()));
        joined.client.send_bytes(ids.back(), "number " + std::to_string(i) + "\n");
        joined.client.end(ids.back());
    }
    std::thread echo([&] {
        for (int i = 0; i < 200; ++i) {
            const Fd peer = server.accept();
            std::array<char, 64> line{};
            const ssize_t size = ::recv(peer.get(), line.data(), line.size(), MSG_WAITALL);
            if (size > 0) ::send(peer.get(), line.data(), static_cast<std::size_t>(size), 0);
        }
    });
    for (std::size_t i = 0; i < ids.size(); ++i) {
        auto& stream = joined.client.stream(ids[i]);
        joined.client.run_until([&] { return stream.closed; }, kLong);
        CHECK(stream.body == "number " + std::to_string(i) + "\n");
    }
    echo.join();
}
