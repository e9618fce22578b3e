#pragma once

// The inside of Http2Session and Http2Stream.

#include <nghttp2/nghttp2.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "pipelines/io/notifier.hpp"

namespace banger::vm {

/// One request and its response, as far as they have come.
struct Http2Exchange {
    explicit Http2Exchange(boost::asio::any_io_executor executor) : changed(std::move(executor)) {}

    std::int32_t id = -1;
    int status = 0;
    bool header_complete = false;
    bool response_complete = false;  ///< END_STREAM has come
    bool request_complete = false;   ///< finish() was called
    bool closed = false;             ///< both ends, or reset
    std::vector<std::byte> inbound;
    std::string outbound;
    std::size_t outbound_sent = 0;
    Notifier changed;

    std::size_t unsent() const { return outbound.size() - outbound_sent; }
};

struct Http2State {
    Http2State(boost::asio::local::stream_protocol::socket s, std::string received,
               std::string peer_name);
    ~Http2State();
    Http2State(const Http2State&) = delete;

    /// Every exchange fails from now on; the first reason is kept.
    void die(const std::string& reason);
    [[noreturn]] void throw_gone() const;
    /// There may be something to send.
    void kick() { wanted.notify(); }

    boost::asio::local::stream_protocol::socket socket;
    std::string received;
    std::string peer;
    std::string failure;
    bool alive = true;
    bool in_hello = false;        ///< within a hello line that is skipped
    bool in_http2 = false;        ///< the guest's first frame has begun
    bool heard = false;           ///< something has come since the last look
    bool still = false;           ///< the guest's processors do not run
    std::size_t skipped = 0;      ///< bytes of hellos
    std::size_t idle_frames = 0;  ///< that carried nothing, since the last look
    nghttp2_session* session = nullptr;
    Notifier wanted;
    std::set<Http2Exchange*> exchanges;
};

/// The callbacks that keep Http2Exchange up to date; the session's user data is a Http2State, a
/// stream's is its Http2Exchange, or null when nobody wants it any more.
nghttp2_session* make_http2_client(Http2State& state);

}  // namespace banger::vm
