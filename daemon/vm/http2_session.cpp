#include "daemon/vm/http2_session.hpp"

#include <array>
#include <boost/asio/write.hpp>
#include <cstring>

#include "daemon/vm/http2_state.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::vm {

namespace asio = boost::asio;

Http2State::Http2State(asio::local::stream_protocol::socket s, std::string first,
                       std::string peer_name)
    : socket(std::move(s)),
      received(std::move(first)),
      peer(std::move(peer_name)),
      session(make_http2_client(*this)),
      wanted(socket.get_executor()) {}

Http2State::~Http2State() {
    nghttp2_session_del(session);
}

void Http2State::die(const std::string& reason) {
    if (!alive) return;
    alive = false;
    failure = reason;
    // Closing at once tells the other end; on a virtio-serial port that is what makes it say hello.
    boost::system::error_code ignored;
    socket.close(ignored);
    for (auto* exchange : exchanges)
        exchange->changed.notify();
    wanted.notify();
}

void Http2State::throw_gone() const {
    fail(Errc::unavailable, "the connection to {} is gone: {}", peer, failure);
}

namespace {

/// A guest says hello a few times at most, some hundred bytes each.
constexpr std::size_t kMostHellos = 1 << 20;

/// Each poke that the guest saw before the preface was answered by one more hello; protocol.hpp,
/// CONNECTION. A hello line is framed by line ends, and none begins HTTP/2.
std::string_view after_hellos(Http2State& state, std::string_view bytes) {
    while (!state.in_http2 && !bytes.empty()) {
        if (bytes.front() == '\n') {
            state.in_hello = !state.in_hello;
        } else if (!state.in_hello) {
            state.in_http2 = true;
            break;
        }
        bytes.remove_prefix(1);
    }
    return bytes;
}

bool feed(Http2State& state, std::string_view received) {
    state.heard = true;
    auto bytes = after_hellos(state, received);
    state.skipped += received.size() - bytes.size();
    if (state.skipped > kMostHellos) {
        state.failure = "it says hello without end";
        return false;
    }
    const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
    auto taken = nghttp2_session_mem_recv(state.session, data, bytes.size());
    if (taken < 0) {
        if (state.failure.empty()) state.failure = nghttp2_strerror(static_cast<int>(taken));
        return false;
    }
    state.kick();
    return true;
}

Task<std::string> read_all(Http2State& state) {
    if (!feed(state, state.received)) co_return state.failure;
    std::vector<char> buffer(128 * 1024);
    for (;;) {
        auto [error, size] = co_await state.socket.async_read_some(asio::buffer(buffer), as_tuple);
        if (error == asio::error::eof) co_return "the guest's end was closed";
        if (error) co_return error.message();
        if (!feed(state, {buffer.data(), size})) co_return state.failure;
    }
}

/// Moves what nghttp2 has to send, up to about `limit` bytes of it, to `out`.
int collect(Http2State& state, std::vector<std::uint8_t>& out, std::size_t limit) {
    out.clear();
    while (out.size() < limit) {
        const std::uint8_t* data = nullptr;
        auto size = nghttp2_session_mem_send(state.session, &data);
        if (size < 0) return static_cast<int>(size);
        if (size == 0) break;
        out.insert(out.end(), data, data + size);
    }
    return 0;
}

Task<std::string> write_all(Http2State& state) {
    std::vector<std::uint8_t> buffer;
    while (state.alive) {
        if (int failed = collect(state, buffer, 128 * 1024)) co_return nghttp2_strerror(failed);
        if (buffer.empty()) {
            // What it could not understand it has answered with GOAWAY, and reads no more.
            if (!nghttp2_session_want_read(state.session)) co_return "the protocol was broken";
            co_await state.wanted.wait();
            continue;
        }
        auto [error, size] =
            co_await asio::async_write(state.socket, asio::buffer(buffer), as_tuple);
        if (error) co_return error.message();
    }
    co_return state.failure;
}

/// Nobody hangs up for a guest whose agent is dead, or whose kernel hangs: only asking tells.
Task<std::string> watch(Http2State& state, KeepAlive how) {
    for (int silent = 0; silent <= how.silent_looks;) {
        co_await sleep_for(how.look);
        state.idle_frames = 0;
        const bool heard = std::exchange(state.heard, false);
        const bool expects = !state.exchanges.empty() && !state.still;
        silent = heard || !expects ? 0 : silent + 1;
        if (silent != 1) continue;
        nghttp2_submit_ping(state.session, NGHTTP2_FLAG_NONE, nullptr);
        state.kick();
    }
    co_return "it no longer answers";
}

Task<std::string> serve(Http2State& state) {
    auto ended = co_await race(read_all(state), write_all(state));
    co_return std::visit([](std::string& reason) { return std::move(reason); }, ended);
}

/// Ends the session whichever way run() is left.
struct LastRites {
    Http2State& state;
    std::string reason = "it was let go";
    ~LastRites() { state.die(reason); }
};

}  // namespace

Http2Session::Http2Session(Socket socket, std::string received, std::string peer,
                           KeepAlive keep_alive)
    : state_(std::make_shared<Http2State>(std::move(socket), std::move(received), std::move(peer))),
      keep_alive_(keep_alive) {}

Http2Session::~Http2Session() {
    state_->die("it was let go");
}

Task<void> Http2Session::run() {
    auto state = state_;
    LastRites rites{*state};
    auto ended = co_await race(serve(*state), watch(*state, keep_alive_));
    rites.reason = std::visit([](const std::string& reason) { return reason; }, ended);
}

void Http2Session::hold(bool still) {
    state_->still = still;
}

bool Http2Session::alive() const {
    return state_->alive;
}

}  // namespace banger::vm
