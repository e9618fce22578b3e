#include "guest/vsock-agent/session.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "guest/vsock-agent/session_callbacks.hpp"

namespace banger::guest {
namespace {

constexpr std::int32_t kStreamWindow = 1 << 20;
constexpr std::int32_t kConnectionWindow = 4 << 20;
constexpr std::uint32_t kMaxStreams = 256;
// A whole exec frame fits into one HTTP/2 frame.
constexpr std::uint32_t kMaxHttpFrame = kMaxFrame + 1024;
// Small frames are written together; each write to a virtio port costs the host an exit.
constexpr std::size_t kWriteTogether = 32 * 1024;
constexpr std::size_t kMaxBody = 64 * 1024;

nghttp2_nv header(const char* name, const std::string& value) {
    nghttp2_nv pair{};
    // nghttp2 copies both before it returns; its interface merely lacks the const.
    pair.name = reinterpret_cast<std::uint8_t*>(const_cast<char*>(name));
    pair.namelen = std::strlen(name);
    pair.value = reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data()));
    pair.valuelen = value.size();
    return pair;
}

}  // namespace

std::shared_ptr<Session> Session::make(Loop& loop, Api& api, Write write) {
    std::shared_ptr<Session> session(new Session(loop, api, std::move(write)));
    if (session->open() != 0) return nullptr;
    return session;
}

int Session::open() {
    session_ = make_server_session(this);
    if (session_ == nullptr) return -ENOMEM;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, kMaxStreams},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindow},
        {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, kMaxHttpFrame}};
    if (nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings)) != 0 ||
        nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kConnectionWindow) !=
            0) {
        return -ENOMEM;
    }
    return 0;
}

Session::~Session() {
    for (auto& [id, stream] : streams_) {
        if (stream.exec) stream.exec->detach();
        if (stream.tunnel) stream.tunnel->abort();
    }
    nghttp2_session_del(session_);
}

int Session::feed(std::string_view bytes) {
    busy_ = true;
    const ssize_t taken = nghttp2_session_mem_recv(
        session_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    busy_ = false;
    return taken == static_cast<ssize_t>(bytes.size()) ? 0 : -EPROTO;
}

int Session::flush() {
    if (busy_) return 0;
    for (;;) {
        busy_ = true;
        while (out_.size() - written_ < kWriteTogether) {
            const std::uint8_t* bytes = nullptr;
            const ssize_t count = nghttp2_session_mem_send(session_, &bytes);
            if (count <= 0) break;
            out_.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(count));
        }
        busy_ = false;
        if (written_ == out_.size()) break;
        const ssize_t count = write_(std::string_view(out_).substr(written_));
        if (count == -EAGAIN) return 0;
        if (count < 0) return static_cast<int>(count);
        written_ += static_cast<std::size_t>(count);
        if (written_ == out_.size()) out_.clear(), written_ = 0;
    }
    return 0;
}

bool Session::over() const {
    return out_.empty() && nghttp2_session_want_read(session_) == 0 &&
           nghttp2_session_want_write(session_) == 0;
}

Session::Stream* Session::find(std::int32_t id) {
    const auto found = streams_.find(id);
    return found == streams_.end() ? nullptr : &found->second;
}

void Session::on_request_headers(std::int32_t id) {
    streams_.try_emplace(id);
}

void Session::on_header(std::int32_t id, std::string_view name, std::string_view value) {
    Stream* stream = find(id);
    if (stream == nullptr) return;
    if (name == ":method") stream->method = value;
    if (name == ":path") {
        stream->path = value.substr(0, value.find('?'));
        stream->query = value.substr(std::min(stream->path.size() + 1, value.size()));
    }
    stream->is_exec = stream->method == "POST" && stream->path == "/v1/exec";
}

void Session::on_headers_end(std::int32_t id) {
    Stream* stream = find(id);
    if (stream == nullptr || stream->tunnel || stream->answered) return;
    if (stream->method == "POST" && stream->path == "/v1/connect") start_connect(id, *stream);
}

void Session::on_data(std::int32_t id, std::string_view bytes) {
    // The connection's window stays open, so that one process that does not read stops only itself.
    nghttp2_session_consume_connection(session_, bytes.size());
    Stream* stream = find(id);
    if (stream == nullptr) return;
    if (stream->is_exec && !stream->answered) return take_exec_data(id, *stream, bytes);
    if (stream->tunnel) return stream->tunnel->take(bytes);
    consume(id, bytes.size());
    if (stream->answered) return;
    if (stream->body.size() + bytes.size() > kMaxBody) {
        return respond(id, 413,
                       error_body("invalid_argument", "the request is larger than 64 KiB"));
    }
    stream->body.append(bytes);
}

void Session::take_exec_data(std::int32_t id, Stream& stream, std::string_view bytes) {
    const int failed = stream.frames.feed(bytes, [&](Channel channel, std::string_view payload) {
        consume(id, kFrameHeader);
        take_exec_frame(id, stream, channel, payload);
    });
    if (failed != 0)
        nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_PROTOCOL_ERROR);
}

void Session::take_exec_frame(std::int32_t id, Stream& stream, Channel channel,
                              std::string_view payload) {
    if (stream.exec) return stream.exec->take_frame(channel, payload);
    consume(id, payload.size());
    if (stream.answered) return;
    if (channel == Channel::request) return start_exec(id, stream, payload);
    respond(id, 400, error_body("invalid_argument", "the first exec frame is not a request"));
}

void Session::start_exec(std::int32_t id, Stream& stream, std::string_view json) {
    ExecRequest request;
    Command command;
    std::string wrong;
    if (!parse_exec_request(json, request, wrong) ||
        !resolve_command(request, api_.info().exec, command, wrong)) {
        return respond(id, 400, error_body("invalid_argument", wrong));
    }
    int failed = 0;
    stream.exec = Exec::start(loop_, command, join(id), failed);
    if (stream.exec) return submit(id, 200, "application/octet-stream", true);
    respond(id, 503,
            error_body("unavailable", "cannot start a process in the guest: " +
                                          std::string(std::strerror(-failed))));
}

void Session::start_connect(std::int32_t id, Stream& stream) {
    constexpr std::string_view kName = "port=";
    std::uint16_t number = 0;
    const std::string port =
        stream.query.starts_with(kName) ? stream.query.substr(kName.size()) : std::string();
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
    if (error != std::errc() || end != port.data() + port.size() || number == 0) {
        return respond(id, 400,
                       error_body("invalid_argument", "expected ?port=, a number from 1 to 65535"));
    }
    auto tunnel =
        Tunnel::open(loop_, number, join(id), [weak = weak_from_this(), id, port](int failed) {
            if (const auto self = weak.lock()) self->on_connected(id, port, failed);
        });
    if (!stream.answered) stream.tunnel = std::move(tunnel);
}

void Session::on_connected(std::int32_t id, const std::string& port, int error) {
    Stream* stream = find(id);
    if (stream == nullptr) return;
    if (error == 0) {
        submit(id, 200, "application/octet-stream", true);
        flush();
        return;
    }
    stream->tunnel.reset();
    respond(id, 503,
            error_body("unavailable", "port " + port + " of the guest takes no connection: " +
                                          std::strerror(error)));
}

// A process may outlive this session, never the other way round.
StreamEnd Session::join(std::int32_t id) {
    StreamEnd stream;
    stream.output_ready = [weak = weak_from_this(), id] {
        const auto self = weak.lock();
        if (!self) return;
        nghttp2_session_resume_data(self->session_, id);
        self->flush();
    };
    stream.consumed = [weak = weak_from_this(), id](std::size_t count) {
        const auto self = weak.lock();
        if (!self) return;
        self->consume(id, count);
        self->flush();
    };
    stream.reset = [weak = weak_from_this(), id] {
        const auto self = weak.lock();
        if (!self) return;
        nghttp2_submit_rst_stream(self->session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CONNECT_ERROR);
        self->flush();
    };
    return stream;
}

void Session::consume(std::int32_t id, std::size_t count) {
    nghttp2_session_consume_stream(session_, id, count);
}

void Session::on_request_end(std::int32_t id) {
    Stream* stream = find(id);
    if (stream == nullptr || stream->answered) return;
    if (stream->exec) return stream->exec->end_input();
    if (stream->tunnel) return stream->tunnel->end_input();
    if (stream->is_exec) {
        return respond(id, 400,
                       error_body("invalid_argument", "the exec request frame is missing"));
    }
    const std::string body = std::move(stream->body);
    api_.handle(stream->method, stream->path, body,
                [weak = weak_from_this(), id](int status, std::string json) {
                    if (const auto self = weak.lock()) self->respond(id, status, std::move(json));
                });
}

void Session::respond(std::int32_t id, int status, std::string json) {
    Stream* stream = find(id);
    if (stream == nullptr || stream->answered) return;
    stream->answered = true;
    stream->body = std::move(json);
    submit(id, status, "application/json", !stream->body.empty());
    flush();
}

void Session::submit(std::int32_t id, int status, const char* type, bool with_body) {
    const std::string code = std::to_string(status);
    const std::string content_type = type;
    const nghttp2_nv headers[] = {header(":status", code), header("content-type", content_type)};
    const nghttp2_data_provider provider = body_provider();
    nghttp2_submit_response(session_, id, headers, with_body ? 2 : 1,
                            with_body ? &provider : nullptr);
}

ssize_t Session::read_body(std::int32_t id, std::uint8_t* buffer, std::size_t length,
                           std::uint32_t& flags) {
    Stream* stream = find(id);
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    std::size_t count = 0;
    bool finished = false;
    if (stream->exec) {
        count = stream->exec->read_output(buffer, length, finished);
    } else if (stream->tunnel) {
        const std::ptrdiff_t got = stream->tunnel->read_output(buffer, length, finished);
        if (got < 0) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        count = static_cast<std::size_t>(got);
    } else {
        count = std::min(length, stream->body.size() - stream->sent);
        std::memcpy(buffer, stream->body.data() + stream->sent, count);
        stream->sent += count;
        finished = stream->sent == stream->body.size();
    }
    if (finished) flags |= NGHTTP2_DATA_FLAG_EOF;
    return count == 0 && !finished ? ssize_t{NGHTTP2_ERR_DEFERRED} : static_cast<ssize_t>(count);
}

// The answer is complete; a client that is still sending need not go on (RFC 9113, 8.1).
void Session::on_end_sent(std::int32_t id) {
    Stream* stream = find(id);
    // A connection may go on the other way.
    if (stream == nullptr || (stream->tunnel && !stream->tunnel->input_broken())) return;
    stream->answered = true;
    stream->exec.reset();
    if (nghttp2_session_get_stream_remote_close(session_, id) == 0) {
        nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR);
    }
}

void Session::on_stream_close(std::int32_t id, std::uint32_t code) {
    Stream* stream = find(id);
    if (stream == nullptr) return;
    const auto exec = std::move(stream->exec);
    const auto tunnel = std::move(stream->tunnel);
    streams_.erase(id);
    if (exec) exec->hang_up();
    if (tunnel) code == NGHTTP2_NO_ERROR ? tunnel->finish() : tunnel->abort();
}

}  // namespace banger::guest
