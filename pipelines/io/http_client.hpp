#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/address.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipelines/io/task.hpp"

namespace banger {

class ByteSource;
struct HttpTarget;

/// Header fields in order; names compare without case.
class HttpHeaders {
  public:
    void add(std::string name, std::string value);
    void set(std::string name, std::string value);
    void erase(std::string_view name);
    std::optional<std::string> find(std::string_view name) const;
    std::vector<std::string> find_all(std::string_view name) const;
    const std::vector<std::pair<std::string, std::string>>& fields() const { return fields_; }

  private:
    std::vector<std::pair<std::string, std::string>> fields_;
};

struct HttpRequest {
    std::string method = "GET";
    /// Absolute: https://host[:port]/path?query. With a Unix socket the host is only a label.
    std::string url;
    HttpHeaders headers;
    std::string body;
    /// Instead of `body`, for what is too large to be held: sent in chunks as it comes. Outlives
    /// the send. An answer that comes before its end is taken, where the server then closes.
    ByteSource* body_source = nullptr;
    /// Redirects to follow (at most 10). Authorization and Cookie are dropped when host or port
    /// change, https never becomes http, and only GET and HEAD are followed.
    int max_redirects = 0;
    /// Called with the address of every connection that the request is about to use, those of
    /// redirects and idle ones included; throws to refuse it, and then nothing is sent there.
    std::function<void(const HttpTarget&, const boost::asio::ip::address&)> check_address;
};

struct HttpOptions {
    /// Connect here instead of to the URL's host.
    std::string unix_socket;
    /// Further host or host:port for which http:// is allowed.
    std::vector<std::string> plain_http_hosts;
    /// PEM certificates trusted besides the system's.
    std::string ca_file;
    /// The same for one host or host:port only: its name to the file.
    std::map<std::string, std::string> host_ca_files;
    std::chrono::seconds connect_timeout{10};
    /// Zero: wait for ever, here and below.
    std::chrono::seconds header_timeout{30};
    /// Without a byte of the body.
    std::chrono::seconds stall_timeout{30};
    /// A body that brings less than `slow_bytes` in this much waiting is given up. Zero: never.
    std::chrono::seconds slow_window{0};
    std::uint64_t slow_bytes = 0;
};

/// A response whose header is here and whose body is still to be read. Destroying it early drops
/// the connection; a body read to its end gives the connection back for reuse.
class HttpResponse {
  public:
    virtual ~HttpResponse() = default;
    virtual int status() const = 0;
    virtual const HttpHeaders& headers() const = 0;
    /// The URL that answered, after redirects.
    virtual const std::string& url() const = 0;
    /// Up to buffer.size() bytes; 0 at the end. Throws Error{unavailable} when cut, {timed_out} on
    /// a stall.
    virtual Task<std::size_t> read_some(std::span<std::byte> buffer) = 0;
    /// All of the body; throws Error{invalid_argument} beyond `limit` bytes.
    Task<std::string> read_all(std::size_t limit);
};

/// HTTP/1.1 by Beast, over TCP, TLS (system CAs, host name checked) or a Unix socket. Plain HTTP is
/// refused except for loopback hosts (localhost, 127/8, ::1), plain_http_hosts, and Unix sockets.
/// Header values with CR, LF or NUL are refused. Response headers may take 64 KiB. One per use; not
/// a pool of hosts: connections are kept per host:port and closed with the client.
class HttpClient {
  public:
    HttpClient(boost::asio::any_io_executor executor, HttpOptions options);
    ~HttpClient();
    /// Throws Error{unavailable} naming the host when there is no connection.
    Task<std::unique_ptr<HttpResponse>> send(HttpRequest request);

  private:
    struct State;
    std::shared_ptr<State> state_;
};

/// A loopback name or address, to which plain HTTP may go: localhost, 127/8, ::1, with or without
/// port.
bool is_loopback_host(std::string_view host);

}  // namespace banger
