#include "pipelines/io/http_connection.hpp"

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/ssl.hpp>

#include "pipelines/io/http_stream.hpp"
#include "pipelines/io/local_endpoint.hpp"
#include "pipelines/io/resolve.hpp"

namespace banger {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;

namespace {

using LocalStream = beast::basic_stream<asio::local::stream_protocol, asio::any_io_executor>;
using TcpStream = beast::basic_stream<tcp, asio::any_io_executor>;
using TlsStream = beast::ssl_stream<TcpStream>;

/// Why a connection attempt failed, in words.
std::string reason(const boost::system::error_code& error, std::chrono::seconds limit) {
    if (error == beast::error::timeout) return fmt::format("no answer within {} s", limit.count());
    return error.message();
}

[[noreturn]] void fail_connect(const std::string& peer, const boost::system::error_code& error,
                               std::chrono::seconds limit) {
    if (error == asio::error::operation_aborted) throw_cancelled();
    const auto code = error == beast::error::timeout ? Errc::timed_out : Errc::unavailable;
    fail(code, "cannot connect to {}: {}", peer, reason(error, limit));
}

/// The first of the addresses that answers. They share the time, so that one dead address does not
/// use up that of the others.
Task<TcpStream> connect_tcp(asio::any_io_executor executor, HttpTarget target,
                            HttpConnector::CheckAddress check, std::chrono::seconds limit) {
    const auto addresses = co_await resolve_host(target.host, target.port, limit);
    // All of them at once: a name with a good and a bad address is a bad name.
    for (const auto& address : addresses) {
        if (check) check(target, address.address());
    }
    const auto share = std::max<std::chrono::milliseconds>(
        std::chrono::milliseconds(limit) / static_cast<int>(addresses.size()),
        std::chrono::seconds(2));
    boost::system::error_code last;
    for (const auto& address : addresses) {
        TcpStream stream(executor);
        stream.expires_after(share);
        auto [error] = co_await stream.async_connect(address, as_tuple);
        if (!error) {
            stream.socket().set_option(tcp::no_delay(true));
            co_return stream;
        }
        last = error;
        if (error == asio::error::operation_aborted) break;
    }
    fail_connect(target.origin(), last, limit);
}

asio::ssl::context make_tls(const std::string& ca_file) {
    asio::ssl::context context(asio::ssl::context::tls_client);
    context.set_default_verify_paths();
    context.set_verify_mode(asio::ssl::verify_peer);
    SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
    if (ca_file.empty()) return context;
    boost::system::error_code error;
    context.load_verify_file(ca_file, error);
    if (error) {
        fail(Errc::invalid_argument, "cannot read certificates from {}: {}", ca_file,
             error.message());
    }
    return context;
}

bool is_address(const std::string& host) {
    boost::system::error_code error;
    asio::ip::make_address(host, error);
    return !error;
}

Task<TlsStream> start_tls(TcpStream tcp_stream, asio::ssl::context& context, HttpTarget target,
                          std::chrono::seconds limit) {
    TlsStream stream(std::move(tcp_stream), context);
    stream.set_verify_callback(asio::ssl::host_name_verification(target.host));
    if (!is_address(target.host)) {
        SSL_set_tlsext_host_name(stream.native_handle(), target.host.c_str());
    }
    beast::get_lowest_layer(stream).expires_after(limit);
    auto [error] = co_await stream.async_handshake(asio::ssl::stream_base::client, as_tuple);
    if (!error) co_return stream;
    const long verdict = SSL_get_verify_result(stream.native_handle());
    if (verdict != X509_V_OK) {
        fail(Errc::unavailable, "cannot connect to {}: its certificate is not trusted: {}",
             target.origin(), X509_verify_cert_error_string(verdict));
    }
    fail_connect(target.origin(), error, limit);
}

Task<LocalStream> connect_local(asio::any_io_executor executor, std::string path,
                                std::chrono::seconds limit) {
    LocalStream stream(std::move(executor));
    stream.expires_after(limit);
    auto [error] = co_await stream.async_connect(local_endpoint(path), as_tuple);
    if (error) fail_connect(path, error, limit);
    co_return stream;
}

}  // namespace

struct HttpConnector::Tls {
    explicit Tls(const std::string& ca_file) : context(make_tls(ca_file)) {}
    asio::ssl::context context;
};

HttpConnector::HttpConnector(asio::any_io_executor executor, HttpOptions options)
    : executor_(std::move(executor)), options_(std::move(options)) {}

HttpConnector::~HttpConnector() = default;

HttpConnector::Tls& HttpConnector::tls_for(const HttpTarget& target) {
    std::string file = options_.ca_file;
    for (const auto& name : {target.host, target.authority, target.origin()}) {
        const auto found = options_.host_ca_files.find(name);
        if (found != options_.host_ca_files.end()) file = found->second;
    }
    // Reading the system's certificates takes some milliseconds: only who needs them pays.
    auto& tls = tls_[file];
    if (!tls) tls = std::make_unique<Tls>(file);
    return *tls;
}

Task<std::unique_ptr<HttpConnection>> HttpConnector::connect(HttpTarget target,
                                                             CheckAddress check) {
    const auto limit = options_.connect_timeout;
    const auto peer = target.origin();
    if (!options_.unix_socket.empty()) {
        auto stream = co_await connect_local(executor_, options_.unix_socket, limit);
        co_return std::make_unique<HttpStream<LocalStream>>(std::move(stream), options_.unix_socket,
                                                            options_);
    }
    auto plain = co_await connect_tcp(executor_, target, std::move(check), limit);
    if (!target.tls) {
        co_return std::make_unique<HttpStream<TcpStream>>(std::move(plain), peer, options_);
    }
    auto stream = co_await start_tls(std::move(plain), tls_for(target).context, target, limit);
    co_return std::make_unique<HttpStream<TlsStream>>(std::move(stream), peer, options_);
}

}  // namespace banger
