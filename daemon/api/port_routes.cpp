#include "daemon/api/routes.hpp"
#include "daemon/net/guest_connection.hpp"
#include "daemon/vm/vm_service.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::api {
namespace {

constexpr char kConnectProtocol[] = "tcp.banger";
constexpr std::uint64_t kMostPort = 65535;
constexpr std::chrono::seconds kLastDelivery{60};

std::uint16_t port_of(const Request& request, std::string_view name) {
    const auto port = request.query_number(name, kMostPort).value_or(0);
    if (port == 0) fail(Errc::invalid_argument, "{}: expected a port from 1 to 65535", name);
    return static_cast<std::uint16_t>(port);
}

/// An empty message is the end of its direction; the other goes on.
Task<void> to_guest(WebSocket& socket, net::GuestConnection& guest) {
    for (;;) {
        const auto message = co_await socket.receive();
        if (!message) fail(Errc::unavailable, "the client has gone");
        if (message->empty()) break;
        co_await guest.write(*message);
    }
    guest.finish();
}

Task<void> to_client(WebSocket& socket, net::GuestConnection& guest) {
    for (;;) {
        const auto bytes = co_await guest.read();
        co_await socket.send(bytes);
        if (bytes.empty()) co_return;
    }
}

}  // namespace

Task<Response> list_vm_ports(const Request& request, Services& services) {
    co_return json_response(to_json(co_await services.vms.ports(request.param("vm"))));
}

Task<Response> publish_vm_port(const Request& request, Services& services) {
    auto port = parse_body<PublishedPort>(request);
    co_return json_response(
        to_json(co_await services.vms.publish(request.param("vm"), std::move(port))));
}

Task<Response> unpublish_vm_port(const Request& request, Services& services) {
    auto address = request.query_value("address").value_or("");
    const auto host = port_of(request, "host");
    co_return json_response(
        to_json(co_await services.vms.unpublish(request.param("vm"), std::move(address), host)));
}

Task<Response> publish_all_vm_ports(const Request& request, Services& services) {
    const auto enabled = parse_body<PublishAllRequest>(request).enabled;
    co_return json_response(
        to_json(co_await services.vms.publish_all(request.param("vm"), enabled)));
}

Task<void> connect_vm_port(const Request& request, Services& services, Exchange& exchange) {
    if (!request.wants_websocket) {
        fail(Errc::unsupported, "connect is a WebSocket; banger ssh-proxy speaks it");
    }
    const auto guest = co_await services.vms.connect(request.param("vm"), port_of(request, "port"));
    const auto socket = co_await exchange.upgrade(kConnectProtocol);
    co_await when_all(to_guest(*socket, *guest), to_client(*socket, *guest));
    co_await with_timeout(kLastDelivery, guest->wait_sent(), "the guest does not read");
    co_await socket->close();
}

}  // namespace banger::api
