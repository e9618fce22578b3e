#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "pipelines/io/unique_fd.hpp"

namespace banger::test {

struct ServerRequest {
    std::string method;
    std::string target;                          ///< "/v2/x/manifests/v1"
    std::map<std::string, std::string> headers;  ///< names in lower case
    std::string body;

    bool has(const std::string& name) const { return headers.contains(name); }
};

/// What the server does with one request.
struct ServerReply {
    int status = 200;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;
    /// Instead of `body`, without a copy; outlives the server.
    std::string_view view{};
    /// Sends this many bytes of the body and then cuts the connection.
    std::size_t cut_after = std::string::npos;
    /// Sends `cut_after` bytes and then nothing, until the server ends or the client goes.
    bool stall = false;
    /// Says nothing of the length: the body ends with the connection.
    bool without_length = false;
    /// Sends half of the header and then nothing, like `stall`.
    bool stall_in_header = false;
    /// Announces an answer (103) now and then, for as long as the server lives, and gives none.
    bool only_interim = false;
    /// Sends a byte of the body now and then, for as long as the server lives.
    bool drip = false;

    std::string_view bytes() const { return view.empty() ? std::string_view(body) : view; }
};

/// An HTTP server on 127.0.0.1 that misbehaves on purpose, one connection for each request, each in
/// a thread of its own; all gone with the object.
class ScriptServer {
  public:
    using Script = std::function<ServerReply(const ServerRequest&)>;

    explicit ScriptServer(Script script);
    ~ScriptServer();
    ScriptServer(const ScriptServer&) = delete;
    ScriptServer& operator=(const ScriptServer&) = delete;

    std::string host() const { return "127.0.0.1:" + std::to_string(port_); }
    /// Requests so far, in order of arrival.
    std::vector<ServerRequest> requests() const;
    /// Of all bodies.
    std::uint64_t bytes_sent() const { return bytes_sent_; }

  private:
    void accept_all();
    void serve(int fd);
    bool read_body(int fd, ServerRequest& request, std::string rest) const;
    void send_slowly(int fd, std::string_view bytes);
    void announce_only(int fd) const;
    void wait_for_end(int fd) const;

    Script script_;
    UniqueFd listener_;
    std::uint16_t port_ = 0;
    std::atomic<bool> stopping_{false};
    std::atomic<std::uint64_t> bytes_sent_{0};
    mutable std::mutex mutex_;
    std::vector<ServerRequest> requests_;
    std::vector<std::jthread> connections_;
    std::jthread acceptor_;
};

/// "bytes=100-" of a request; 0 when it asks for everything.
std::uint64_t range_start(const ServerRequest& request);
/// The rest of `body` from where the request asks for it, as a server with ranges gives it.
ServerReply ranged(const ServerRequest& request, std::string_view body);

}  // namespace banger::test
