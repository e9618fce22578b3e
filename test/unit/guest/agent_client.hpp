#pragma once

#include <nghttp2/nghttp2.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "guest/vsock-agent/fd.hpp"
#include "guest/vsock-agent/frame.hpp"

namespace banger::test {

/// The daemon's side of the agent's protocol, as small and as blocking as a test likes it.
/// Everything throws std::runtime_error on a timeout or when the agent hangs up.
class AgentClient {
  public:
    using Clock = std::chrono::steady_clock;

    struct Stream {
        int http_status = 0;
        std::string body;  ///< of anything but an exec
        std::string out;
        std::string error;
        std::string status;  ///< the exec's status frame
        std::size_t out_bytes = 0;
        bool response_ended = false;
        bool closed = false;
        std::uint32_t close_code = 0;
        bool is_exec = false;
        std::string to_send;
        std::size_t sent = 0;
        bool ended = false;
        guest::FrameReader frames;
    };

    explicit AgentClient(guest::Fd fd) : fd_(std::move(fd)) {}
    ~AgentClient();

    /// Skips to the hello line and returns its JSON; pokes every 500 ms until it comes.
    std::string wait_hello(std::chrono::milliseconds deadline);
    void start_session();

    /// A connection to a port of the guest: bytes both ways.
    std::int32_t start_connect(const std::string& query);
    void send_bytes(std::int32_t id, std::string_view bytes);
    /// Ends the request's body.
    void end(std::int32_t id);
    std::int32_t start_exec(const std::string& request);
    void send(std::int32_t id, guest::Channel channel, std::string_view payload);
    void close_input(std::int32_t id);
    void reset(std::int32_t id);
    Stream& stream(std::int32_t id) { return streams_.at(id); }

    Stream exec(const std::string& request, std::string_view input = {});
    Stream call(const std::string& method, const std::string& path, const std::string& body = {});

    void run_until(const std::function<bool()>& done, std::chrono::milliseconds deadline);
    /// Reads nothing for a while: output must wait in the guest.
    guest::Fd& fd() { return fd_; }
    /// Bytes that go past HTTP/2.
    void write_raw(std::string_view bytes);

  private:
    friend struct ClientCallbacks;
    std::int32_t submit(const std::string& method, const std::string& path, bool is_exec,
                        const std::string& body);
    void step(Clock::time_point deadline);
    void write_out();
    bool read_some(Clock::time_point until, std::string& bytes);

    guest::Fd fd_;
    nghttp2_session* session_ = nullptr;
    std::map<std::int32_t, Stream> streams_;
    std::string rest_;  ///< read after the hello line
};

/// {"argv":[…],"stdin":…} with every argument quoted as JSON.
std::string exec_request(std::initializer_list<std::string_view> argv, std::string_view more = {});

}  // namespace banger::test
