#include "daemon/vm/http2_stream.hpp"

#include <array>
#include <cstring>

#include "daemon/vm/http2_session.hpp"
#include "daemon/vm/http2_state.hpp"
#include "pipelines/io/error.hpp"

namespace banger::vm {
namespace {

constexpr std::size_t kOutboundLimit = 256 * 1024;

nghttp2_nv header(std::string_view name, std::string_view value) {
    // nghttp2 copies both and does not write to them; its struct merely lacks the const.
    auto* n = reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data()));
    auto* v = reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data()));
    return {n, v, name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

ssize_t read_body(nghttp2_session* session, std::int32_t id, std::uint8_t* buffer,
                  std::size_t length, std::uint32_t* flags, nghttp2_data_source*, void*) noexcept {
    auto* exchange = static_cast<Http2Exchange*>(nghttp2_session_get_stream_user_data(session, id));
    if (!exchange) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    auto size = std::min(length, exchange->unsent());
    if (size == 0 && !exchange->request_complete) return NGHTTP2_ERR_DEFERRED;
    std::memcpy(buffer, exchange->outbound.data() + exchange->outbound_sent, size);
    exchange->outbound_sent += size;
    if (exchange->unsent() == 0 && exchange->request_complete) *flags |= NGHTTP2_DATA_FLAG_EOF;
    exchange->changed.notify();
    return static_cast<ssize_t>(size);
}

}  // namespace

Http2Stream Http2Session::open(const std::string& method, const std::string& path) {
    if (!state_->alive) state_->throw_gone();
    auto exchange = std::make_unique<Http2Exchange>(state_->socket.get_executor());
    std::array headers{header(":method", method), header(":scheme", "http"),
                       header(":authority", "guest"), header(":path", path)};
    nghttp2_data_provider body{{}, read_body};
    exchange->id = nghttp2_submit_request(state_->session, nullptr, headers.data(), headers.size(),
                                          &body, exchange.get());
    if (exchange->id < 0) {
        fail(Errc::unavailable, "{} takes no more requests: {}", state_->peer,
             nghttp2_strerror(exchange->id));
    }
    state_->exchanges.insert(exchange.get());
    state_->kick();
    return Http2Stream(state_, std::move(exchange));
}

Http2Stream::Http2Stream(std::shared_ptr<Http2State> session,
                         std::unique_ptr<Http2Exchange> exchange)
    : session_(std::move(session)), exchange_(std::move(exchange)) {}

Http2Stream::Http2Stream(Http2Stream&&) noexcept = default;

Http2Stream::~Http2Stream() {
    if (!exchange_) return;
    session_->exchanges.erase(exchange_.get());
    nghttp2_session_set_stream_user_data(session_->session, exchange_->id, nullptr);
    if (exchange_->closed || !session_->alive) return;
    // What was not read still counts against the stream's window, which goes with it.
    nghttp2_submit_rst_stream(session_->session, NGHTTP2_FLAG_NONE, exchange_->id, NGHTTP2_CANCEL);
    session_->kick();
}

Task<void> Http2Stream::write(std::string_view bytes) {
    auto& exchange = *exchange_;
    while (session_->alive && !exchange.closed && exchange.unsent() >= kOutboundLimit) {
        co_await exchange.changed.wait();
    }
    if (!session_->alive) session_->throw_gone();
    if (exchange.closed) co_return;
    exchange.outbound.erase(0, std::exchange(exchange.outbound_sent, 0));
    exchange.outbound += bytes;
    nghttp2_session_resume_data(session_->session, exchange.id);
    session_->kick();
}

void Http2Stream::finish() {
    exchange_->request_complete = true;
    if (!session_->alive || exchange_->closed) return;
    nghttp2_session_resume_data(session_->session, exchange_->id);
    session_->kick();
}

Task<int> Http2Stream::status() {
    auto& exchange = *exchange_;
    while (!exchange.header_complete) {
        if (!session_->alive) session_->throw_gone();
        if (exchange.closed) fail(Errc::unavailable, "{} reset the stream", session_->peer);
        co_await exchange.changed.wait();
    }
    co_return exchange.status;
}

Task<std::vector<std::byte>> Http2Stream::read() {
    auto& exchange = *exchange_;
    while (exchange.inbound.empty() && !exchange.response_complete) {
        if (!session_->alive) session_->throw_gone();
        if (exchange.closed) fail(Errc::unavailable, "{} reset the stream", session_->peer);
        co_await exchange.changed.wait();
    }
    auto bytes = std::exchange(exchange.inbound, {});
    if (session_->alive && !exchange.closed && !bytes.empty()) {
        nghttp2_session_consume_stream(session_->session, exchange.id, bytes.size());
        session_->kick();
    }
    co_return bytes;
}

bool Http2Stream::closed() const {
    return exchange_->closed;
}

Task<void> Http2Stream::wait_closed() {
    while (session_->alive && !exchange_->closed)
        co_await exchange_->changed.wait();
    if (!exchange_->closed) session_->throw_gone();
}

}  // namespace banger::vm
