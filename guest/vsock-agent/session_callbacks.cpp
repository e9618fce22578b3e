#include "guest/vsock-agent/session_callbacks.hpp"

#include <algorithm>

#include "guest/vsock-agent/session.hpp"

namespace banger::guest {

/// The C side of Session: each function only converts its arguments.
struct SessionCallbacks {
    static Session& self(void* user_data) { return *static_cast<Session*>(user_data); }

    static std::string_view view(const std::uint8_t* bytes, std::size_t length) {
        return {reinterpret_cast<const char*>(bytes), length};
    }

    static int begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user) noexcept {
        self(user).on_request_headers(frame->hd.stream_id);
        return 0;
    }

    static int header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                      std::size_t name_length, const std::uint8_t* value, std::size_t value_length,
                      std::uint8_t, void* user) noexcept {
        self(user).on_header(frame->hd.stream_id, view(name, name_length),
                             view(value, value_length));
        return 0;
    }

    static int data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* bytes,
                    std::size_t length, void* user) noexcept {
        self(user).on_data(id, view(bytes, length));
        return 0;
    }

    static int frame_received(nghttp2_session*, const nghttp2_frame* frame, void* user) noexcept {
        if (frame->hd.type == NGHTTP2_HEADERS) self(user).on_headers_end(frame->hd.stream_id);
        const bool has_end = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
        if (has_end && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
            self(user).on_request_end(frame->hd.stream_id);
        }
        return 0;
    }

    static int frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* user) noexcept {
        const bool has_end = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
        if (has_end && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
            self(user).on_end_sent(frame->hd.stream_id);
        }
        return 0;
    }

    static int stream_close(nghttp2_session*, std::int32_t id, std::uint32_t code,
                            void* user) noexcept {
        self(user).on_stream_close(id, code);
        return 0;
    }

    static ssize_t read_body(nghttp2_session*, std::int32_t id, std::uint8_t* buffer,
                             std::size_t length, std::uint32_t* flags, nghttp2_data_source*,
                             void* user) noexcept {
        return self(user).read_body(id, buffer, length, *flags);
    }

    // nghttp2 would stop at 16 KiB whatever the client allows.
    static ssize_t read_length(nghttp2_session*, std::uint8_t, std::int32_t,
                               std::int32_t connection_window, std::int32_t stream_window,
                               std::uint32_t max_frame, void*) noexcept {
        constexpr std::int32_t kMost = kMaxFrame + kFrameHeader;
        const auto frame = static_cast<std::int32_t>(std::min<std::uint32_t>(max_frame, kMost));
        return std::min({connection_window, stream_window, frame});
    }
};

nghttp2_session* make_server_session(void* user_data) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_option* option = nullptr;
    nghttp2_session* session = nullptr;
    if (nghttp2_session_callbacks_new(&callbacks) != 0) return nullptr;
    using C = SessionCallbacks;
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, C::begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, C::header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, C::data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, C::frame_received);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, C::frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, C::stream_close);
    nghttp2_session_callbacks_set_data_source_read_length_callback(callbacks, C::read_length);
    if (nghttp2_option_new(&option) == 0) {
        // A stream's window opens only as its process takes the input.
        nghttp2_option_set_no_auto_window_update(option, 1);
        nghttp2_option_set_no_closed_streams(option, 1);
        nghttp2_session_server_new2(&session, callbacks, user_data, option);
        nghttp2_option_del(option);
    }
    nghttp2_session_callbacks_del(callbacks);
    return session;
}

nghttp2_data_provider body_provider() {
    nghttp2_data_provider provider{};
    provider.read_callback = SessionCallbacks::read_body;
    return provider;
}

}  // namespace banger::guest
