#include "test/unit/guest/agent_client.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "guest/vsock-agent/files.hpp"

namespace banger::test {

using guest::Channel;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds kLong{120'000};

nghttp2_nv header(const char* name, const std::string& value) {
    nghttp2_nv pair{};
    pair.name = reinterpret_cast<std::uint8_t*>(const_cast<char*>(name));
    pair.namelen = std::strlen(name);
    pair.value = reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data()));
    pair.valuelen = value.size();
    return pair;
}

}  // namespace

struct ClientCallbacks {
    static AgentClient& self(void* user) { return *static_cast<AgentClient*>(user); }

    static int header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                      std::size_t name_length, const std::uint8_t* value, std::size_t value_length,
                      std::uint8_t, void* user) {
        const std::string key(name, name + name_length);
        if (key == ":status") {
            self(user).streams_[frame->hd.stream_id].http_status =
                std::stoi(std::string(value, value + value_length));
        }
        return 0;
    }

    static int data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* bytes,
                    std::size_t length, void* user) {
        auto& stream = self(user).streams_[id];
        const std::string_view view(reinterpret_cast<const char*>(bytes), length);
        if (!stream.is_exec || stream.http_status != 200) {
            stream.body.append(view);
            return 0;
        }
        return stream.frames.feed(view, [&](Channel channel, std::string_view payload) {
            if (channel == Channel::standard_out) stream.out.append(payload);
            if (channel == Channel::standard_error) stream.error.append(payload);
            if (channel == Channel::status) stream.status.append(payload);
        });
    }

    static int frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
        const bool has_end = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
        if (has_end && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
            self(user).streams_[frame->hd.stream_id].response_ended = true;
        }
        return 0;
    }

    static int close(nghttp2_session*, std::int32_t id, std::uint32_t code, void* user) {
        self(user).streams_[id].closed = true;
        self(user).streams_[id].close_code = code;
        return 0;
    }

    static ssize_t read(nghttp2_session*, std::int32_t id, std::uint8_t* buffer, std::size_t length,
                        std::uint32_t* flags, nghttp2_data_source*, void* user) {
        auto& stream = self(user).streams_[id];
        const std::size_t count = std::min(length, stream.to_send.size() - stream.sent);
        if (count == 0 && !stream.ended) return NGHTTP2_ERR_DEFERRED;
        std::memcpy(buffer, stream.to_send.data() + stream.sent, count);
        stream.sent += count;
        const bool all = stream.sent == stream.to_send.size();
        if (all && stream.ended) *flags |= NGHTTP2_DATA_FLAG_EOF;
        return static_cast<ssize_t>(count);
    }
};

AgentClient::~AgentClient() {
    nghttp2_session_del(session_);
}

bool AgentClient::read_some(Clock::time_point until, std::string& bytes) {
    const auto left = std::chrono::ceil<milliseconds>(until - Clock::now()).count();
    pollfd wait{fd_.get(), POLLIN, 0};
    if (::poll(&wait, 1, static_cast<int>(std::max<std::int64_t>(left, 0))) <= 0) return false;
    bytes.resize(256 * 1024);
    const ssize_t count = ::read(fd_.get(), bytes.data(), bytes.size());
    if (count <= 0) throw std::runtime_error("the agent's end is closed");
    bytes.resize(static_cast<std::size_t>(count));
    return true;
}

void AgentClient::write_raw(std::string_view bytes) {
    if (guest::write_all(fd_.get(), bytes) != 0)
        throw std::runtime_error("cannot write to the agent");
}

std::string AgentClient::wait_hello(milliseconds deadline) {
    const auto until = Clock::now() + deadline;
    std::string seen;
    while (Clock::now() < until) {
        std::string bytes;
        if (!read_some(std::min(until, Clock::now() + milliseconds(500)), bytes)) {
            write_raw(std::string(guest::kPoke, '\0'));
            continue;
        }
        seen += bytes;
        const auto begin = seen.find(std::string("\n") + guest::kHelloPrefix);
        const auto end = begin == std::string::npos ? begin : seen.find('\n', begin + 1);
        if (end == std::string::npos) continue;
        rest_ = seen.substr(end + 1);
        const auto json = begin + 1 + std::strlen(guest::kHelloPrefix);
        return seen.substr(json, end - json);
    }
    throw std::runtime_error("no hello in time");
}

void AgentClient::start_session() {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, ClientCallbacks::header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, ClientCallbacks::data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, ClientCallbacks::frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, ClientCallbacks::close);
    nghttp2_session_client_new(&session_, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20},
                                               {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, 1 << 17}};
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, 2);
    nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, 4 << 20);
}

std::int32_t AgentClient::submit(const std::string& method, const std::string& path, bool is_exec,
                                 const std::string& body) {
    const std::string scheme = "http";
    const std::string authority = "guest";
    const nghttp2_nv headers[] = {header(":method", method), header(":scheme", scheme),
                                  header(":authority", authority), header(":path", path)};
    nghttp2_data_provider provider{};
    provider.read_callback = ClientCallbacks::read;
    const bool has_body = is_exec || !body.empty();
    const std::int32_t id = nghttp2_submit_request(session_, nullptr, headers, 4,
                                                   has_body ? &provider : nullptr, nullptr);
    if (id < 0) throw std::runtime_error("cannot submit a request");
    Stream& stream = streams_[id];
    stream.is_exec = is_exec;
    stream.to_send = body;
    stream.ended = !is_exec;
    return id;
}

std::int32_t AgentClient::start_exec(const std::string& request) {
    return submit("POST", "/v1/exec", true, guest::make_frame(Channel::request, request));
}

std::int32_t AgentClient::start_connect(const std::string& query) {
    const std::int32_t id = submit("POST", "/v1/connect" + query, true, {});
    streams_[id].is_exec = false;
    return id;
}

void AgentClient::send_bytes(std::int32_t id, std::string_view bytes) {
    stream(id).to_send += bytes;
    nghttp2_session_resume_data(session_, id);
}

void AgentClient::end(std::int32_t id) {
    stream(id).ended = true;
    nghttp2_session_resume_data(session_, id);
}

void AgentClient::send(std::int32_t id, Channel channel, std::string_view payload) {
    do {
        const std::string_view piece = payload.substr(0, guest::kMaxFrame);
        stream(id).to_send += guest::make_frame(channel, piece);
        payload.remove_prefix(piece.size());
    } while (!payload.empty());
    nghttp2_session_resume_data(session_, id);
}

void AgentClient::close_input(std::int32_t id) {
    send(id, Channel::close, std::string_view("\0", 1));
}

void AgentClient::reset(std::int32_t id) {
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
    write_out();
}

void AgentClient::write_out() {
    for (;;) {
        const std::uint8_t* bytes = nullptr;
        const ssize_t count = nghttp2_session_mem_send(session_, &bytes);
        if (count < 0) throw std::runtime_error("nghttp2 cannot send");
        if (count == 0) return;
        std::string_view left(reinterpret_cast<const char*>(bytes),
                              static_cast<std::size_t>(count));
        write_raw(left);
    }
}

void AgentClient::step(Clock::time_point deadline) {
    write_out();
    std::string bytes = std::exchange(rest_, {});
    if (bytes.empty() && !read_some(deadline, bytes)) {
        throw std::runtime_error("no answer from the agent in time");
    }
    const ssize_t taken = nghttp2_session_mem_recv(
        session_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    if (taken != static_cast<ssize_t>(bytes.size())) throw std::runtime_error("protocol error");
    write_out();
}

void AgentClient::run_until(const std::function<bool()>& done, milliseconds deadline) {
    const auto until = Clock::now() + deadline;
    while (!done())
        step(until);
}

AgentClient::Stream AgentClient::exec(const std::string& request, std::string_view input) {
    const std::int32_t id = start_exec(request);
    if (!input.empty()) send(id, Channel::standard_in, input);
    close_input(id);
    run_until([&] { return stream(id).closed; }, kLong);
    return stream(id);
}

AgentClient::Stream AgentClient::call(const std::string& method, const std::string& path,
                                      const std::string& body) {
    const std::int32_t id = submit(method, path, false, body);
    run_until([&] { return stream(id).closed; }, kLong);
    return stream(id);
}

std::string exec_request(std::initializer_list<std::string_view> argv, std::string_view more) {
    boost::json::array array;
    for (const std::string_view word : argv) {
        array.push_back(boost::json::string(word.data(), word.size()));
    }
    return "{\"argv\":" + boost::json::serialize(array) + std::string(more) + "}";
}

}  // namespace banger::test
