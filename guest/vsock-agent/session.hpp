#pragma once

#include <nghttp2/nghttp2.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "guest/vsock-agent/api.hpp"
#include "guest/vsock-agent/exec.hpp"
#include "guest/vsock-agent/frame.hpp"
#include "guest/vsock-agent/loop.hpp"
#include "guest/vsock-agent/tunnel.hpp"

namespace banger::guest {

/// One HTTP/2 session as the server, without the transport: bytes in by feed(), out by `write`.
/// Its end detaches the processes it started; they live on. Its connections break.
class Session : public std::enable_shared_from_this<Session> {
  public:
    /// Takes some of the bytes, or -EAGAIN, or another -errno; never blocks.
    using Write = std::function<ssize_t(std::string_view)>;

    static std::shared_ptr<Session> make(Loop& loop, Api& api, Write write);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    /// Bytes after the client's connection preface has been seen, that preface first.
    /// 0, or -EPROTO when no session can go on.
    int feed(std::string_view bytes);
    /// Writes what is to be written, as far as `write` takes it. 0 or -errno.
    int flush();
    /// Both sides have nothing more to say, after an error or a goodbye.
    bool over() const;

  private:
    struct Stream {
        std::string method;
        std::string path;      ///< without the query
        std::string query;     ///< what follows the '?'
        std::string body;      ///< of a request; of the answer once `answered`
        std::size_t sent = 0;  ///< bytes of the answer
        bool answered = false;
        bool is_exec = false;
        FrameReader frames;
        std::shared_ptr<Exec> exec;
        std::shared_ptr<Tunnel> tunnel;
    };

    Session(Loop& loop, Api& api, Write write) : loop_(loop), api_(api), write_(std::move(write)) {}
    int open();
    Stream* find(std::int32_t id);

    void on_request_headers(std::int32_t id);
    void on_header(std::int32_t id, std::string_view name, std::string_view value);
    void on_headers_end(std::int32_t id);
    void on_data(std::int32_t id, std::string_view bytes);
    void on_request_end(std::int32_t id);
    void on_stream_close(std::int32_t id, std::uint32_t code);
    void on_end_sent(std::int32_t id);

    void take_exec_data(std::int32_t id, Stream& stream, std::string_view bytes);
    void take_exec_frame(std::int32_t id, Stream& stream, Channel channel,
                         std::string_view payload);
    void start_exec(std::int32_t id, Stream& stream, std::string_view json);
    void start_connect(std::int32_t id, Stream& stream);
    void on_connected(std::int32_t id, const std::string& port, int error);
    StreamEnd join(std::int32_t id);
    void respond(std::int32_t id, int status, std::string json);
    void submit(std::int32_t id, int status, const char* type, bool with_body);
    ssize_t read_body(std::int32_t id, std::uint8_t* buffer, std::size_t length,
                      std::uint32_t& flags);
    void consume(std::int32_t id, std::size_t count);

    friend struct SessionCallbacks;

    Loop& loop_;
    Api& api_;
    Write write_;
    nghttp2_session* session_ = nullptr;
    std::unordered_map<std::int32_t, Stream> streams_;
    std::string out_;
    std::size_t written_ = 0;
    bool busy_ = false;  ///< inside nghttp2: what is to be flushed is flushed afterwards
};

}  // namespace banger::guest
