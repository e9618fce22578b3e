#pragma once

// Includes Beast: for http_connection.cpp only.

#include <sys/socket.h>

#include <boost/asio/ssl/error.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <cerrno>
#include <tuple>
#include <utility>
#include <vector>

#include "pipelines/io/byte_source.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/http_connection.hpp"
#include "pipelines/io/wait.hpp"

namespace banger {

/// HttpConnection over any Beast stream: TCP, TLS over TCP, or a Unix socket.
template <class Stream>
class HttpStream final : public HttpConnection {
  public:
    HttpStream(Stream stream, std::string peer, const HttpOptions& options)
        : stream_(std::move(stream)),
          peer_(std::move(peer)),
          header_timeout_(options.header_timeout),
          stall_timeout_(options.stall_timeout),
          slow_window_(options.slow_window),
          slow_bytes_(options.slow_bytes) {
        // Beast reads no more at a time than its buffer has room for, and leaves it at 512 bytes.
        buffer_.reserve(kReadSize);
    }

    Task<std::optional<HttpHead>> exchange(const HttpRequest& request,
                                           const HttpTarget& target) override;
    Task<std::size_t> read_body(std::span<std::byte> buffer) override;

    bool is_reusable() const override {
        return !broken_ && parser_ && parser_->is_done() && parser_->keep_alive() &&
               buffer_.size() == 0;
    }

    bool is_quiet() override {
        char byte = 0;
        const int fd = boost::beast::get_lowest_layer(stream_).socket().native_handle();
        const auto count = ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
        return count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    }

    std::optional<boost::asio::ip::address> peer_address() override {
        auto& socket = boost::beast::get_lowest_layer(stream_).socket();
        boost::system::error_code error;
        const auto endpoint = socket.remote_endpoint(error);
        if constexpr (requires { endpoint.address(); }) {
            if (!error) return endpoint.address();
        }
        return std::nullopt;
    }

  private:
    using Clock = std::chrono::steady_clock;
    using Body = boost::beast::http::buffer_body;
    using Parser = boost::beast::http::response_parser<Body>;
    using Message = boost::beast::http::request<boost::beast::http::string_body>;
    static constexpr std::uint32_t kHeaderLimit = 64 * 1024;
    static constexpr std::size_t kReadSize = 64 * 1024;
    static constexpr int kMaxInterimAnswers = 10;

    static Message make_message(const HttpRequest& request, const HttpTarget& target);
    Task<boost::system::error_code> write(Message message);
    Task<boost::system::error_code> write_chunks(Message head, ByteSource& source);
    Task<boost::system::error_code> read_header(bool head_only);
    HttpHead head() const;
    static bool is_closed(const boost::system::error_code& error);
    [[noreturn]] void fail_with(const boost::system::error_code& error,
                                std::chrono::seconds limit) const;

    /// Before each read and write: Beast's expiry is not renewed by itself. Zero means no limit.
    void expire_after(std::chrono::seconds limit) {
        auto& socket = boost::beast::get_lowest_layer(stream_);
        if (limit.count() > 0) {
            socket.expires_after(limit);
        } else {
            socket.expires_never();
        }
    }

    /// Counts what came against the time it was waited for; the reader's own time is not.
    void check_speed(std::size_t bytes, Clock::duration waited);

    Stream stream_;
    std::string peer_;
    std::chrono::seconds header_timeout_;
    std::chrono::seconds stall_timeout_;
    std::chrono::seconds slow_window_;
    std::uint64_t slow_bytes_;
    std::uint64_t window_bytes_ = 0;
    Clock::duration window_waited_{};
    boost::beast::flat_buffer buffer_;
    std::optional<Parser> parser_;
    bool broken_ = false;
};

template <class Stream>
auto HttpStream<Stream>::make_message(const HttpRequest& request, const HttpTarget& target)
    -> Message {
    namespace http = boost::beast::http;
    Message message;
    message.version(11);
    message.method_string(request.method);
    message.target(target.path);
    message.set(http::field::host, target.authority);
    message.set(http::field::user_agent, "banger");
    message.set(http::field::accept, "*/*");
    bool first_accept = true;
    for (const auto& [name, value] : request.headers.fields()) {
        // Only Accept may come several times; everything else replaces what stands above.
        if (boost::beast::iequals(name, "Accept") && !std::exchange(first_accept, false)) {
            message.insert(name, value);
        } else {
            message.set(name, value);
        }
    }
    message.body() = request.body;
    if (!request.body.empty() || (request.method != "GET" && request.method != "HEAD")) {
        message.content_length(request.body.size());
    }
    return message;
}

template <class Stream>
Task<boost::system::error_code> HttpStream<Stream>::write(Message message) {
    namespace http = boost::beast::http;
    http::request_serializer<http::string_body> serializer(message);
    while (!serializer.is_done()) {
        expire_after(stall_timeout_);
        auto [error, count] = co_await http::async_write_some(stream_, serializer, as_tuple);
        if (error) co_return error;
    }
    co_return boost::system::error_code();
}

template <class Stream>
Task<boost::system::error_code> HttpStream<Stream>::write_chunks(Message message,
                                                                 ByteSource& source) {
    namespace http = boost::beast::http;
    constexpr std::size_t kPiece = 256 * 1024;
    message.chunked(true);
    http::request_serializer<http::string_body> serializer(message);
    expire_after(stall_timeout_);
    auto [error, count] = co_await http::async_write_header(stream_, serializer, as_tuple);
    std::vector<std::byte> piece(kPiece);
    while (!error) {
        const auto size = co_await source.read_some(piece);
        expire_after(stall_timeout_);
        if (size == 0) {
            std::tie(error, count) =
                co_await boost::asio::async_write(stream_, http::make_chunk_last(), as_tuple);
            break;
        }
        std::tie(error, count) = co_await boost::asio::async_write(
            stream_, http::make_chunk(boost::asio::buffer(piece.data(), size)), as_tuple);
    }
    co_return error;
}

template <class Stream>
Task<boost::system::error_code> HttpStream<Stream>::read_header(bool head_only) {
    namespace http = boost::beast::http;
    // 1xx answers announce the real one, and must not put it off for ever.
    for (int interim = 0; interim <= kMaxInterimAnswers; ++interim) {
        parser_.emplace();
        parser_->header_limit(kHeaderLimit);
        parser_->body_limit(boost::none);
        parser_->skip(head_only);
        expire_after(header_timeout_);
        auto [error, count] =
            co_await http::async_read_header(stream_, buffer_, *parser_, as_tuple);
        if (error) co_return error;
        if (parser_->get().result_int() >= 200) co_return boost::system::error_code();
    }
    fail(Errc::unavailable, "{} sent more than {} interim answers (1xx) and none that counts",
         peer_, kMaxInterimAnswers);
}

template <class Stream>
Task<std::optional<HttpHead>> HttpStream<Stream>::exchange(const HttpRequest& request,
                                                           const HttpTarget& target) {
    broken_ = true;
    parser_.reset();
    window_bytes_ = 0;
    window_waited_ = {};
    auto limit = stall_timeout_;
    auto message = make_message(request, target);
    auto error = request.body_source
                     ? co_await write_chunks(std::move(message), *request.body_source)
                     : co_await write(std::move(message));
    // A server that wants no more of a long body closes; what it had to say is there to be read.
    if (!error || (request.body_source && is_closed(error))) {
        limit = header_timeout_;
        error = co_await read_header(request.method == "HEAD");
    }
    if (error) {
        const bool nothing_came = buffer_.size() == 0 && !(parser_ && parser_->got_some());
        if (nothing_came && is_closed(error)) co_return std::nullopt;
        fail_with(error, limit);
    }
    broken_ = false;
    co_return head();
}

template <class Stream>
Task<std::size_t> HttpStream<Stream>::read_body(std::span<std::byte> buffer) {
    namespace http = boost::beast::http;
    while (!parser_->is_done()) {
        auto& body = parser_->get().body();
        body.data = buffer.data();
        body.size = buffer.size();
        broken_ = true;
        expire_after(stall_timeout_);
        const auto begin = Clock::now();
        auto [error, count] = co_await http::async_read_some(stream_, buffer_, *parser_, as_tuple);
        // "need_buffer" only says that ours is full.
        if (error && error != http::error::need_buffer) fail_with(error, stall_timeout_);
        check_speed(count, Clock::now() - begin);
        broken_ = false;
        const std::size_t filled = buffer.size() - body.size;
        if (filled > 0) co_return filled;
    }
    boost::beast::get_lowest_layer(stream_).expires_never();
    co_return 0;
}

template <class Stream>
void HttpStream<Stream>::check_speed(std::size_t bytes, Clock::duration waited) {
    if (slow_window_.count() == 0) return;
    window_bytes_ += bytes;
    window_waited_ += waited;
    if (window_bytes_ >= slow_bytes_) {
        window_bytes_ = 0;
        window_waited_ = {};
    } else if (window_waited_ >= slow_window_) {
        fail(Errc::timed_out, "{} sent less than {} bytes in {} s", peer_, slow_bytes_,
             slow_window_.count());
    }
}

template <class Stream>
HttpHead HttpStream<Stream>::head() const {
    HttpHead head;
    head.status = static_cast<int>(parser_->get().result_int());
    for (const auto& field : parser_->get()) {
        head.headers.add(std::string(field.name_string()), std::string(field.value()));
    }
    return head;
}

template <class Stream>
bool HttpStream<Stream>::is_closed(const boost::system::error_code& error) {
    namespace sys = boost::system::errc;
    return error == boost::beast::http::error::end_of_stream || error == sys::connection_reset ||
           error == sys::broken_pipe || error == boost::asio::ssl::error::stream_truncated;
}

template <class Stream>
void HttpStream<Stream>::fail_with(const boost::system::error_code& error,
                                   std::chrono::seconds limit) const {
    namespace http = boost::beast::http;
    if (error == boost::asio::error::operation_aborted) throw_cancelled();
    if (error == boost::beast::error::timeout) {
        fail(Errc::timed_out, "{} sent nothing for {} s", peer_, limit.count());
    }
    if (error == http::error::header_limit) {
        fail(Errc::unavailable, "{} sent a header of more than 64 KiB", peer_);
    }
    if (error == http::error::partial_message || is_closed(error)) {
        fail(Errc::unavailable, "{} closed the connection in the middle of its answer", peer_);
    }
    if (error.category() == http::make_error_code(http::error::bad_version).category()) {
        fail(Errc::unavailable, "{} sent an answer that is not HTTP: {}", peer_, error.message());
    }
    fail(Errc::unavailable, "the connection to {} broke: {}", peer_, error.message());
}

}  // namespace banger
