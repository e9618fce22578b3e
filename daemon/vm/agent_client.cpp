#include "daemon/vm/agent_client.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/vm/agent_error.hpp"
#include "daemon/vm/agent_exec.hpp"
#include "daemon/vm/agent_tunnel.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/json.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::vm {
namespace {

constexpr std::chrono::seconds kExecStartLimit{30};
constexpr std::chrono::seconds kConnectLimit{10};

struct ListenersAnswer {
    std::vector<api::GuestListener> listeners;
};
BOOST_DESCRIBE_STRUCT(ListenersAnswer, (), (listeners))

/// The guest is to have ended before its VMM is killed.
std::int64_t time_for_guest(AgentClient::Duration limit) {
    using namespace std::chrono_literals;
    const auto all = std::chrono::duration_cast<std::chrono::milliseconds>(limit);
    return std::max(0ms, all - std::min<std::chrono::milliseconds>(500ms, all / 4)).count();
}

Task<std::string> exchange(Http2Stream& stream, const std::string& body, const std::string& peer) {
    if (!body.empty()) co_await stream.write(body);
    stream.finish();
    auto status = co_await stream.status();
    auto answer = co_await read_body(stream, peer);
    if (status >= 300) throw_agent_error(status, answer, peer);
    co_return answer;
}

}  // namespace

AgentClient::AgentClient(Http2Session::Socket socket, Hello hello, std::string received,
                         std::string peer, KeepAlive keep_alive)
    : session_(std::move(socket), std::move(received), peer, keep_alive),
      hello_(std::move(hello)),
      peer_(std::move(peer)) {}

Task<void> AgentClient::run() {
    return session_.run();
}

Task<AgentHealth> AgentClient::health(Duration limit) {
    auto answer = co_await call("GET", "/v1/health", {}, limit);
    co_return from_json<AgentHealth>(parse_json(answer, "the health of " + peer_));
}

Task<void> AgentClient::sync(Duration limit) {
    co_await call("POST", "/v1/sync", {}, limit);
}

Task<void> AgentClient::shutdown(Duration limit) {
    auto body = fmt::format(R"({{"reboot":false,"within_ms":{}}})", time_for_guest(limit));
    co_await call("POST", "/v1/shutdown", std::move(body), limit);
}

Task<void> AgentClient::set_clock(std::int64_t realtime_ns, Duration limit) {
    co_await call("POST", "/v1/clock", fmt::format(R"({{"realtime_ns":{}}})", realtime_ns), limit);
}

Task<void> AgentClient::grow_disk(Duration limit) {
    co_await call("POST", "/v1/grow-disk", {}, limit);
}

Task<std::unique_ptr<ExecSession>> AgentClient::exec(api::ExecRequest request) {
    auto what =
        fmt::format("{} did not start the command within {} s", peer_, kExecStartLimit.count());
    co_return co_await with_timeout(
        kExecStartLimit, start_exec(session_.open("POST", "/v1/exec"), std::move(request), peer_),
        std::move(what));
}

Task<std::vector<api::GuestListener>> AgentClient::listeners(Duration limit) {
    auto answer = co_await call("GET", "/v1/listeners", {}, limit);
    auto what = parse_json(answer, "the listeners of " + peer_);
    co_return from_json<ListenersAnswer>(what).listeners;
}

Task<AgentTraffic> AgentClient::traffic(Duration limit) {
    auto answer = co_await call("GET", "/v1/traffic", {}, limit);
    co_return from_json<AgentTraffic>(parse_json(answer, "the traffic of " + peer_));
}

Task<std::unique_ptr<net::GuestConnection>> AgentClient::connect(std::uint16_t port) {
    auto stream = session_.open("POST", fmt::format("/v1/connect?port={}", port));
    auto what = fmt::format("{} did not connect to port {} within {} s", peer_, port,
                            kConnectLimit.count());
    co_return co_await with_timeout(kConnectLimit, open_tunnel(std::move(stream), peer_),
                                    std::move(what));
}

Task<std::string> AgentClient::call(std::string method, std::string path, std::string body,
                                    Duration limit) {
    auto stream = session_.open(method, path);
    auto seconds = std::chrono::duration_cast<std::chrono::milliseconds>(limit).count() / 1000.0;
    auto what = fmt::format("{} did not answer {} {} within {:g} s", peer_, method, path, seconds);
    co_return co_await with_timeout(limit, exchange(stream, body, peer_), std::move(what));
}

}  // namespace banger::vm
