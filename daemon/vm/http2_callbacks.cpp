#include <algorithm>
#include <charconv>
#include <cstring>
#include <new>
#include <string_view>

#include "daemon/vm/http2_state.hpp"

namespace banger::vm {
namespace {

// What a stream may have in flight towards us: the bound of Http2Exchange::inbound.
constexpr std::uint32_t kStreamWindow = 256 * 1024;
constexpr std::int32_t kConnectionWindow = 4 * 1024 * 1024;
/// Between two looks (KeepAlive): pings, settings and the like, of which a guest sends next to
/// none.
constexpr std::size_t kMostIdleFrames = 10'000;

Http2Exchange* exchange_of(nghttp2_session* session, std::int32_t id) {
    return static_cast<Http2Exchange*>(nghttp2_session_get_stream_user_data(session, id));
}

/// Every frame costs time, also one that asks for nothing.
int on_frame_header(nghttp2_session*, const nghttp2_frame_hd* header, void* user) noexcept {
    auto& state = *static_cast<Http2State*>(user);
    const bool body = header->type == NGHTTP2_DATA &&
                      (header->length > 0 || (header->flags & NGHTTP2_FLAG_END_STREAM));
    if (body || header->type == NGHTTP2_HEADERS || header->type == NGHTTP2_WINDOW_UPDATE ||
        header->type == NGHTTP2_RST_STREAM) {
        return 0;
    }
    if (++state.idle_frames <= kMostIdleFrames) return 0;
    try {
        state.failure = "it sends frames without end that carry nothing";
    } catch (const std::bad_alloc&) {  // nghttp2's own words do
    }
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

int on_header(nghttp2_session* session, const nghttp2_frame* frame, const std::uint8_t* name,
              std::size_t name_length, const std::uint8_t* value, std::size_t value_length,
              std::uint8_t, void*) noexcept {
    auto* exchange = exchange_of(session, frame->hd.stream_id);
    std::string_view key(reinterpret_cast<const char*>(name), name_length);
    if (!exchange || key != ":status") return 0;
    const auto* text = reinterpret_cast<const char*>(value);
    std::from_chars(text, text + value_length, exchange->status);
    return 0;
}

int on_frame(nghttp2_session* session, const nghttp2_frame* frame, void*) noexcept {
    auto* exchange = exchange_of(session, frame->hd.stream_id);
    if (!exchange) return 0;
    bool header = frame->hd.type == NGHTTP2_HEADERS;
    // 1xx is no answer yet.
    if (header && exchange->status >= 200) exchange->header_complete = true;
    bool body = header || frame->hd.type == NGHTTP2_DATA;
    if (body && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) exchange->response_complete = true;
    exchange->changed.notify();
    return 0;
}

int on_data(nghttp2_session* session, std::uint8_t, std::int32_t id, const std::uint8_t* data,
            std::size_t length, void*) noexcept {
    auto* exchange = exchange_of(session, id);
    // The connection's window never holds one stream up for another's slow reader.
    nghttp2_session_consume_connection(session, length);
    if (!exchange) {
        nghttp2_session_consume_stream(session, id, length);
        return 0;
    }
    try {
        const auto* bytes = reinterpret_cast<const std::byte*>(data);
        exchange->inbound.insert(exchange->inbound.end(), bytes, bytes + length);
    } catch (const std::bad_alloc&) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    exchange->changed.notify();
    return 0;
}

int on_close(nghttp2_session* session, std::int32_t id, std::uint32_t, void*) noexcept {
    if (auto* exchange = exchange_of(session, id)) {
        exchange->closed = true;
        exchange->changed.notify();
    }
    return 0;
}

}  // namespace

nghttp2_session* make_http2_client(Http2State& state) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_option* option = nullptr;
    nghttp2_session* session = nullptr;
    if (nghttp2_session_callbacks_new(&callbacks) || nghttp2_option_new(&option)) {
        throw std::bad_alloc();
    }
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_frame_header);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    // The window opens when the reader has taken the bytes, not when they have come.
    nghttp2_option_set_no_auto_window_update(option, 1);
    int failed = nghttp2_session_client_new2(&session, callbacks, &state, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    if (failed) throw std::bad_alloc();
    nghttp2_settings_entry window{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindow};
    nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, &window, 1);
    nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, kConnectionWindow);
    return session;
}

}  // namespace banger::vm
