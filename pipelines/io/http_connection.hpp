#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>

#include "pipelines/io/http_client.hpp"
#include "pipelines/io/http_target.hpp"
#include "pipelines/io/task.hpp"

namespace banger {

/// The status line and fields of a response.
struct HttpHead {
    int status = 0;
    HttpHeaders headers;
};

/// One connection to one origin, for one request after the other. Any failure, timeout or
/// cancellation leaves it unusable: drop it.
class HttpConnection {
  public:
    virtual ~HttpConnection() = default;
    /// Sends the request and reads the header of the answer. Nullopt when the peer closed the
    /// connection before the first byte of one: what becomes of a connection that idled too long.
    virtual Task<std::optional<HttpHead>> exchange(const HttpRequest& request,
                                                   const HttpTarget& target) = 0;
    /// Up to buffer.size() bytes of the body; 0 at its end.
    virtual Task<std::size_t> read_body(std::span<std::byte> buffer) = 0;
    /// The body is read to its end and the connection stays open.
    virtual bool is_reusable() const = 0;
    /// False when the peer has closed an idle connection, or sent something unasked.
    virtual bool is_quiet() = 0;
    /// Of the peer; none for a Unix socket, or when it has gone.
    virtual std::optional<boost::asio::ip::address> peer_address() = 0;
};

/// Makes connections; owns the TLS settings they share.
class HttpConnector {
  public:
    HttpConnector(boost::asio::any_io_executor executor, HttpOptions options);
    ~HttpConnector();
    const HttpOptions& options() const noexcept { return options_; }
    using CheckAddress = std::function<void(const HttpTarget&, const boost::asio::ip::address&)>;
    /// Throws Error{unavailable} or {timed_out} naming the host, and what `check` (which may be
    /// empty) throws for one of its addresses.
    Task<std::unique_ptr<HttpConnection>> connect(HttpTarget target, CheckAddress check);

  private:
    struct Tls;
    Tls& tls_for(const HttpTarget& target);
    boost::asio::any_io_executor executor_;
    HttpOptions options_;
    std::map<std::string, std::unique_ptr<Tls>> tls_;  ///< by the file of certificates
};

}  // namespace banger
