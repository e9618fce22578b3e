#include "daemon/vm/guest_link.hpp"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <array>
#include <boost/asio/write.hpp>

#include "guest/vsock-agent/protocol.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::vm {

namespace asio = boost::asio;

namespace {

constexpr std::chrono::milliseconds kPokeEvery{500};
/// One is served, and one takes its place.
constexpr int kBacklog = 16;
/// More than any tail of an earlier session, which its windows bound.
constexpr std::uint32_t kScanBurst = 8 << 20;
constexpr std::chrono::microseconds kScanByte{1};

asio::local::stream_protocol::acceptor bind_listener(asio::any_io_executor executor,
                                                     const std::string& path) {
    // Only one daemon works on this directory (it holds its lock), so a file here is a dead one's.
    ::unlink(path.c_str());
    try {
        asio::local::stream_protocol::acceptor acceptor(std::move(executor));
        acceptor.open();
        acceptor.bind(path);
        acceptor.listen(kBacklog);
        acceptor.non_blocking(true);
        return acceptor;
    } catch (const boost::system::system_error& e) {
        fail(Errc::unavailable, "cannot listen at {}: {}", path, e.code().message());
    }
}

struct Greeting {
    Hello hello;
    std::string rest;
};

/// Nothing when the connection goes before a hello.
Task<std::optional<Greeting>> scan(asio::local::stream_protocol::socket& socket) {
    HelloScanner scanner;
    Pace pace(kScanBurst, kScanByte);
    std::array<char, 4096> buffer;
    for (;;) {
        auto [error, size] = co_await socket.async_read_some(asio::buffer(buffer), as_tuple);
        if (error) co_return std::nullopt;
        if (auto hello = scanner.feed({buffer.data(), size})) {
            co_return Greeting{std::move(*hello), scanner.rest()};
        }
        co_await pace.take(static_cast<std::uint32_t>(size));
    }
}

/// A guest that is still in the session of an earlier daemon falls out of it.
Task<void> poke(asio::local::stream_protocol::socket& socket) {
    static constexpr std::array<char, guest::kPoke> kZeros{};
    for (;;) {
        co_await sleep_for(kPokeEvery);
        auto [error, size] = co_await asio::async_write(socket, asio::buffer(kZeros), as_tuple);
        // The end of the connection is scan's to see.
        if (error) co_await sleep_for(std::chrono::hours(1));
    }
}

}  // namespace

GuestLink::GuestLink(asio::any_io_executor executor, const std::string& socket_path,
                     std::string peer, KeepAlive keep_alive)
    : acceptor_(bind_listener(executor, socket_path)),
      peer_(std::move(peer)),
      keep_alive_(keep_alive),
      changed_(std::move(executor)) {}

Task<void> GuestLink::run() {
    for (;;) {
        if (!next_) co_await accept_next();
        auto socket = std::move(*next_);
        next_.reset();
        co_await connections_.take();
        // Whichever ends first: a connection that comes cancels the one that is served.
        co_await race(serve(std::move(socket)), accept_next());
    }
}

Task<void> GuestLink::accept_next() {
    for (;;) {
        auto [error, socket] = co_await acceptor_.async_accept(as_tuple);
        if (!error) {
            next_ = std::move(socket);
            take_newest();
            co_return;
        }
        // For one, too many open files: others may be closed soon.
        if (error != asio::error::operation_aborted) {
            spdlog::warn("cannot accept the connection of {}: {}", peer_, error.message());
        }
        co_await sleep_for(std::chrono::milliseconds(100));
    }
}

/// Those that wait behind the first are newer, and only the newest counts.
void GuestLink::take_newest() {
    boost::system::error_code error;
    for (int i = 0; i < kBacklog; ++i) {
        auto newer = acceptor_.accept(error);
        if (error) return;
        next_ = std::move(newer);
    }
}

Task<void> GuestLink::serve(Socket socket) {
    try {
        auto first = co_await race(scan(socket), poke(socket));
        auto greeting = std::move(std::get<0>(first));
        if (!greeting) co_return;
        agent_ = std::make_shared<AgentClient>(std::move(socket), std::move(greeting->hello),
                                               std::move(greeting->rest), peer_, keep_alive_);
        agent_->hold(still_);
    } catch (const Error& e) {
        if (!refusal_) spdlog::warn("{}: {}", peer_, e.what());
        refusal_ = std::current_exception();
        changed_.notify();
        co_return;
    }
    refusal_ = nullptr;
    auto agent = agent_;
    if (on_hello) on_hello(agent->hello());
    changed_.notify();
    co_await agent->run();
}

void GuestLink::hold(bool still) {
    still_ = still;
    if (agent_) agent_->hold(still);
}

std::shared_ptr<AgentClient> GuestLink::agent() const {
    return agent_ && agent_->alive() ? agent_ : nullptr;
}

Task<std::shared_ptr<AgentClient>> GuestLink::wait_agent() {
    while (!agent()) {
        if (refusal_) std::rethrow_exception(refusal_);
        co_await changed_.wait();
    }
    co_return agent();
}

}  // namespace banger::vm
