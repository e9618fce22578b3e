#include "pipelines/io/error.hpp"
#include "pipelines/io/wait.hpp"
#include "pipelines/io/websocket.hpp"
#include "test/integration/api_fixture.hpp"
#include "test/support/catch.hpp"

using namespace banger;
using namespace banger::test;

namespace {

Task<void> make_box(ApiFixture& api) {
    const auto started = co_await api.ask("POST", "/v1/vms", R"({"name":"box"})");
    const std::string id(started.body.at("id").as_string());
    co_await api.ask("GET", "/v1/operations/" + id + "?wait=true");
}

Task<std::unique_ptr<WebSocket>> connect(ApiFixture& api, std::string query) {
    WebSocketRequest request;
    request.unix_socket = api.paths.socket();
    request.target = "/v1/vms/box/connect" + query;
    request.subprotocol = "tcp.banger";
    co_return co_await connect_websocket(co_await boost::asio::this_coro::executor,
                                         std::move(request));
}

Task<std::string> refusal(ApiFixture& api, std::string query) {
    try {
        co_await connect(api, std::move(query));
    } catch (const Error& e) {
        co_return e.what();
    }
    co_return "";
}

Task<bool> breaks(WebSocket& socket) {
    try {
        while (const auto message = co_await socket.receive()) {
            if (message->empty()) co_return false;
        }
    } catch (const Error&) {
        co_return true;
    }
    co_return true;
}

}  // namespace

TEST_CASE("ports are published, listed and taken back") {
    with_api([](ApiFixture& api) -> Task<void> {
        co_await make_box(api);
        auto answer = co_await api.ask("PUT", "/v1/vms/box/ports", R"({"host":8080,"guest":80})");
        CHECK(answer.status == 200);
        CHECK(answer.body.at("published").as_array().size() == 1);
        answer = co_await api.ask("GET", "/v1/vms/box/ports");
        CHECK(answer.body.at("published").at(0).at("host") == 8080);
        answer = co_await api.ask("PUT", "/v1/vms/box/ports/all", R"({"enabled":true})");
        CHECK(answer.body.at("publish_all") == true);
        CHECK((co_await api.ask("DELETE", "/v1/vms/box/ports?host=8080")).status == 200);
        CHECK((co_await api.ask("DELETE", "/v1/vms/box/ports?host=8080")).status == 404);
        CHECK((co_await api.ask("DELETE", "/v1/vms/box/ports")).status == 400);
        CHECK((co_await api.ask("DELETE", "/v1/vms/box/ports?host=99999")).status == 400);
        CHECK((co_await api.ask("PUT", "/v1/vms/box/ports", R"({"host":70000})")).status == 400);
        CHECK((co_await api.ask("GET", "/v1/vms/nobody/ports")).status == 404);
    });
}

TEST_CASE("a connection carries bytes, ends each direction by itself, and closes") {
    with_api([](ApiFixture& api) -> Task<void> {
        co_await make_box(api);
        const auto socket = co_await connect(api, "?port=7");
        const std::string text(100'000, 'x');
        co_await socket->send(std::as_bytes(std::span(text)));
        co_await socket->send({});
        std::size_t size = 0;
        bool ended = false;
        while (const auto message = co_await socket->receive()) {
            CHECK_FALSE(ended);
            ended = message->empty();
            size += message->size();
        }
        CHECK(ended);
        CHECK(size == text.size());
    });
}

TEST_CASE("a connection that breaks ends without the mark of its end") {
    with_api([](ApiFixture& api) -> Task<void> {
        co_await make_box(api);
        const auto socket = co_await connect(api, "?port=13");
        CHECK(co_await breaks(*socket));
    });
}

TEST_CASE("what cannot be connected to is said before the upgrade") {
    with_api([](ApiFixture& api) -> Task<void> {
        co_await make_box(api);
        CHECK(co_await refusal(api, "?port=80") == "port 80 of the guest takes no connection");
        CHECK_THAT(co_await refusal(api, ""), ContainsSubstring("expected a port from 1 to 65535"));
        CHECK_THAT(co_await refusal(api, "?port=x"), ContainsSubstring("port"));
        CHECK((co_await api.ask("GET", "/v1/vms/box/connect?port=7")).status == 422);
    });
}
