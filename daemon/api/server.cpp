#include "daemon/api/server.hpp"

#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/this_coro.hpp>
#include <list>

#include "daemon/api/session.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/notifier.hpp"
#include "pipelines/io/task_group.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::api {

namespace asio = boost::asio;
using Local = asio::local::stream_protocol;

namespace {

// Connections beyond the limit that may be on their way out at the same time.
constexpr std::size_t kMaxRefusals = 64;
constexpr auto kAcceptPause = std::chrono::milliseconds(100);

bool is_trusted(Local::socket& socket) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        return false;
    if (peer.uid == ::geteuid() || peer.uid == 0) return true;
    spdlog::warn("refused a connection of uid {} (pid {})", peer.uid, peer.pid);
    return false;
}

}  // namespace

struct Server::State {
    State(const asio::any_io_executor& executor, UniqueFd listener, std::span<const Route> all,
          Services& bag, ServerLimits the_limits)
        : acceptor(executor, Local(), listener.release()),
          sessions(executor),
          session_ended(executor),
          context{all, bag, the_limits} {}

    static Task<void> serve(State& state, Local::socket socket);
    static Task<void> accept(State& state);

    asio::basic_socket_acceptor<Local> acceptor;
    TaskGroup sessions;
    Notifier session_ended;
    SessionContext context;
    std::list<Session*> live;
    bool stopping = false;
};

Task<void> Server::State::serve(State& state, Local::socket socket) {
    const bool too_many = state.live.size() >= state.context.limits.connections;
    const auto session = make_session(state.context, std::move(socket), too_many);
    const auto place = state.live.insert(state.live.end(), session.get());
    try {
        co_await session->run();
    } catch (const std::exception& error) {
        spdlog::debug("connection: {}", error.what());
    }
    state.live.erase(place);
    state.session_ended.notify();
}

Task<void> Server::State::accept(State& state) {
    while (!state.stopping) {
        if (state.live.size() >= state.context.limits.connections + kMaxRefusals) {
            co_await state.session_ended.wait();
            continue;
        }
        auto [error, socket] = co_await state.acceptor.async_accept(as_tuple);
        if (error == asio::error::operation_aborted) co_return;
        if (error) {
            // Out of descriptors, most likely: waiting for one is all there is to do.
            spdlog::warn("cannot accept a connection: {}", error.message());
            co_await sleep_for(kAcceptPause);
            continue;
        }
        if (is_trusted(socket)) state.sessions.spawn(serve(state, std::move(socket)));
    }
}

Server::Server(asio::any_io_executor executor, UniqueFd listener, std::span<const Route> routes,
               Services& services, ServerLimits limits)
    : state_(std::make_unique<State>(executor, std::move(listener), routes, services, limits)) {}

Server::~Server() = default;

Task<void> Server::run() {
    try {
        co_await State::accept(*state_);
    } catch (const boost::system::system_error&) {
        // Cancelled: the same as stop().
    }
    // The sessions are joined whatever happens.
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    stop();
    try {
        co_await with_timeout(state_->context.limits.stop_time, state_->sessions.join(), "");
    } catch (const Error&) {
        spdlog::info("closed connections that were still busy");
    }
}

void Server::stop() {
    state_->stopping = true;
    boost::system::error_code ignored;
    state_->acceptor.close(ignored);
    state_->session_ended.notify();
    for (auto* session : state_->live)
        session->finish();
}

std::size_t Server::connections() const noexcept {
    return state_->live.size();
}

}  // namespace banger::api
