// The one file of the daemon that sees Beast.
#include "daemon/api/session.hpp"

#include <boost/asio/write.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <optional>

#include "daemon/api/types.hpp"
#include "daemon/api/version.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/wait.hpp"
#include "pipelines/io/websocket_impl.hpp"

namespace banger::api {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using Local = asio::local::stream_protocol;
using Stream = beast::basic_stream<Local>;
using Message = http::request<http::string_body>;
using Parser = http::request_parser<http::string_body>;
/// Reads the header, after which it is known what becomes of the body.
using HeadParser = http::request_parser<http::empty_body>;

constexpr std::size_t kReadSize = 8 * 1024;
constexpr std::size_t kBodyReadSize = 64 * 1024;
constexpr auto kLinger = std::chrono::seconds(2);
constexpr std::size_t kMaxLinger = 64 * 1024 * 1024;

std::string server_name() {
    return std::string("bangerd/") + version();
}

Request make_request(Message& message) {
    Request request;
    request.method = message.method_string();
    request.target = message.target();
    for (const auto& field : message) {
        request.headers.add(std::string(field.name_string()), std::string(field.value()));
    }
    request.body = std::move(message.body());
    request.wants_websocket = beast::websocket::is_upgrade(message);
    return request;
}

// An HTTP error that needs no handler.
Response refusal(int status, Errc code, std::string message) {
    return error_response(
        status, {.code = std::string(to_string(code)), .message = std::move(message), .op_id = {}});
}

// The answer to a request that could not be read; nothing when nobody waits for one.
std::optional<Response> refusal_of(const beast::error_code& error, const ServerLimits& limits) {
    if (error == http::error::header_limit || error == http::error::buffer_overflow) {
        return refusal(
            431, Errc::invalid_argument,
            fmt::format("the request header has more than {} bytes", limits.header_bytes));
    }
    if (error == http::error::body_limit) {
        return refusal(413, Errc::invalid_argument,
                       fmt::format("the request body has more than {} bytes", limits.body_bytes));
    }
    const bool nobody =
        error == http::error::end_of_stream || error == http::error::partial_message;
    if (nobody || error.category() != make_error_code(http::error::bad_method).category()) {
        return std::nullopt;
    }
    return refusal(400, Errc::invalid_argument, "the request is no HTTP: " + error.message());
}

class BeastSession final : public Session, private Exchange {
  public:
    BeastSession(SessionContext& context, Local::socket socket, bool refuse)
        : context_(context), stream_(std::move(socket)), refuse_(refuse) {}

    Task<void> run() override {
        while (!finishing_ && co_await serve_one())
            continue;
    }

    void finish() override {
        finishing_ = true;
        if (idle_) stream_.cancel();
    }

  private:
    // False when the connection is at its end.
    Task<bool> serve_one() {
        if (!co_await wait_for_request()) co_return false;
        HeadParser head;
        head.header_limit(context_.limits.header_bytes);
        head.body_limit(boost::none);
        if (!co_await read_head(head)) co_return false;
        version_ = head.get().version();
        keep_alive_ = head.get().keep_alive();
        message_ = Message(head.get().base());
        if (is_archive(make_request(message_)) && !refuse_) {
            co_return co_await take_archive(head);
        }
        auto message = co_await read_message(head);
        if (!message) co_return false;
        if (refuse_) {
            co_await send_last(refusal(503, Errc::unavailable,
                                       "too many connections; close some or try again later"));
            co_return false;
        }
        co_return co_await answer(std::move(*message));
    }

    Task<bool> wait_for_request() {
        if (buffer_.size() > 0) co_return true;
        idle_ = true;
        stream_.expires_after(context_.limits.idle_time);
        auto [error, size] = co_await stream_.async_read_some(buffer_.prepare(kReadSize), as_tuple);
        idle_ = false;
        buffer_.commit(size);
        co_return !error;
    }

    Task<bool> read_head(HeadParser& parser) {
        stream_.expires_after(context_.limits.header_time);
        auto [error, size] = co_await http::async_read_header(stream_, buffer_, parser, as_tuple);
        if (!error) co_return true;
        co_await refuse(error);
        co_return false;
    }

    Task<std::optional<Message>> read_message(HeadParser& head) {
        const auto limit = context_.limits.body_bytes;
        const auto length = head.content_length();
        beast::error_code error;
        Parser parser(std::move(head));
        parser.body_limit(limit);
        // The parser itself looks at a length while it reads the header, which it has.
        if (length && *length > limit) error = http::error::body_limit;
        if (!error) error = co_await read_body(parser);
        if (!error) co_return parser.release();
        co_await refuse(error);
        co_return std::nullopt;
    }

    Task<void> refuse(beast::error_code error) {
        version_ = 11;
        if (auto response = refusal_of(error, context_.limits)) {
            co_await send_last(std::move(*response));
        }
    }

    // Before the body, for a client that waits to be asked for it.
    Task<void> ask_for_body(const http::fields& fields) {
        if (!beast::iequals(fields[http::field::expect], "100-continue")) co_return;
        stream_.expires_after(context_.limits.write_time);
        constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
        co_await asio::async_write(stream_, asio::buffer(kContinue), asio::use_awaitable);
    }

    // A body of any size, read by the handler as it comes.
    class ArchiveBody final : public ByteSource {
      public:
        ArchiveBody(BeastSession& session, HeadParser& head)
            : session_(session), parser_(std::move(head)) {
            // Beast reads no more at a time than its buffer has room for.
            session_.buffer_.reserve(kBodyReadSize);
        }

        Task<std::size_t> read_some(std::span<std::byte> bytes) override {
            if (!std::exchange(asked_, true)) co_await session_.ask_for_body(parser_.get());
            while (!parser_.is_done()) {
                auto& body = parser_.get().body();
                body.data = bytes.data();
                body.size = bytes.size();
                // What feeds the client may pause as long as it likes: the kernel tells when the
                // client is gone.
                session_.stream_.expires_never();
                auto [error, count] = co_await http::async_read_some(
                    session_.stream_, session_.buffer_, parser_, as_tuple);
                // "need_buffer" only says that ours is full.
                if (error == asio::error::operation_aborted) throw_cancelled();
                if (error && error != http::error::need_buffer) {
                    fail(Errc::unavailable, "the archive broke off: {}", error.message());
                }
                if (body.size < bytes.size()) co_return bytes.size() - body.size;
            }
            co_return 0;
        }

        bool is_done() const { return parser_.is_done(); }

      private:
        BeastSession& session_;
        http::request_parser<http::buffer_body> parser_;
        bool asked_ = false;
    };

    Task<bool> take_archive(HeadParser& head) {
        auto request = make_request(message_);
        auto found = find_route(context_.routes, request);
        if (const auto* route = std::get_if<const Route*>(&found)) {
            if (std::holds_alternative<ArchiveHandler>((*route)->handler)) {
                ArchiveBody body(*this, head);
                begun_ = upgraded_ = false;
                auto response =
                    co_await run_route(**route, request, context_.services, *this, &body);
                if (body.is_done()) co_return co_await send(std::move(*response));
                co_await send_last(std::move(*response));
                co_return false;
            }
        }
        auto message = co_await read_message(head);
        co_return message&& co_await answer(std::move(*message));
    }

    Task<beast::error_code> read_body(Parser& parser) {
        co_await ask_for_body(parser.get());
        stream_.expires_after(context_.limits.body_time);
        auto [error, size] = co_await http::async_read(stream_, buffer_, parser, as_tuple);
        co_return error;
    }

    Task<bool> answer(Message message) {
        auto request = make_request(message);
        message_ = std::move(message);
        begun_ = upgraded_ = false;
        auto found = find_route(context_.routes, request);
        if (auto* response = std::get_if<Response>(&found)) {
            co_return co_await send(std::move(*response));
        }
        const auto& route = *std::get<const Route*>(found);
        std::optional<Response> response;
        if (route.ends_with_client()) {
            auto first =
                co_await race(run_route(route, request, context_.services, *this), client_gone());
            if (first.index() == 1) co_return false;
            response = std::get<0>(std::move(first));
        } else {
            response = co_await run_route(route, request, context_.services, *this);
        }
        if (response) co_return co_await send(std::move(*response));
        co_return co_await end_stream();
    }

    // Ends when the client has closed its socket. One that has only finished sending (SHUT_WR)
    // still reads: that is no hang-up. Not on a duplicate of the descriptor: Asio leaves a closed
    // one in its epoll set while the socket is open, and its events then hit whoever got its place.
    Task<void> client_gone() {
        co_await stream_.socket().async_wait(Local::socket::wait_error, asio::use_awaitable);
    }

    template <class Body>
    http::response<Body> make_head(int status) {
        http::response<Body> head;
        head.version(version_);
        head.result(static_cast<unsigned>(status));
        head.set(http::field::server, server_name());
        keep_alive_ = keep_alive_ && !finishing_;
        head.keep_alive(keep_alive_);
        return head;
    }

    Task<bool> send(Response response) {
        auto head = make_head<http::string_body>(response.status);
        for (const auto& [name, value] : response.headers.fields())
            head.set(name, value);
        if (!response.content_type.empty())
            head.set(http::field::content_type, response.content_type);
        head.body() = std::move(response.body);
        // RFC 9110, 8.6: no Content-Length in a 204.
        if (response.status != 204) head.prepare_payload();
        stream_.expires_after(context_.limits.write_time);
        co_await http::async_write(stream_, head, asio::use_awaitable);
        co_return keep_alive_;
    }

    // A client that is still sending would lose the answer by an early close.
    Task<void> send_last(Response response) {
        keep_alive_ = false;
        co_await send(std::move(response));
        beast::error_code ignored;
        stream_.socket().shutdown(Local::socket::shutdown_send, ignored);
        stream_.expires_after(kLinger);
        for (std::size_t total = 0; total < kMaxLinger;) {
            buffer_.clear();
            auto [error, size] =
                co_await stream_.async_read_some(buffer_.prepare(kReadSize), as_tuple);
            if (error) break;
            total += size;
        }
    }

    Task<bool> end_stream() {
        if (!begun_ || upgraded_ || version_ < 11) co_return false;
        co_await asio::async_write(stream_, http::make_chunk_last(), asio::use_awaitable);
        co_return keep_alive_;
    }

    // Exchange

    Task<void> begin(int status, std::string content_type) override {
        auto head = make_head<http::empty_body>(status);
        head.set(http::field::content_type, content_type);
        head.set(http::field::cache_control, "no-store");
        head.chunked(version_ >= 11);
        begun_ = true;
        // A stream's reader may pause as long as it likes: the kernel tells when it is gone.
        stream_.expires_never();
        http::response_serializer<http::empty_body> serializer(head);
        co_await http::async_write_header(stream_, serializer, asio::use_awaitable);
    }

    Task<void> write(std::string text) override {
        if (text.empty()) co_return;
        stream_.expires_never();
        if (version_ >= 11) {
            co_await asio::async_write(stream_, http::make_chunk(asio::buffer(text)),
                                       asio::use_awaitable);
        } else {
            co_await asio::async_write(stream_, asio::buffer(text), asio::use_awaitable);
        }
    }

    Task<std::unique_ptr<WebSocket>> upgrade(std::string subprotocol) override {
        namespace websocket = beast::websocket;
        using Adapter = BeastWebSocket<Stream&>;
        begun_ = upgraded_ = true;
        stream_.expires_never();
        Adapter::Stream stream(stream_);
        Adapter::configure(stream);
        auto timeout = websocket::stream_base::timeout::suggested(beast::role_type::server);
        timeout.idle_timeout = websocket::stream_base::none();
        stream.set_option(timeout);
        stream.set_option(websocket::stream_base::decorator([&](websocket::response_type& answer) {
            answer.set(http::field::server, server_name());
            answer.set(http::field::sec_websocket_protocol, subprotocol);
        }));
        co_await stream.async_accept(message_, asio::use_awaitable);
        co_return std::make_unique<Adapter>(std::move(stream));
    }

    bool begun() const noexcept override { return begun_; }

    SessionContext& context_;
    Stream stream_;
    beast::flat_buffer buffer_;
    Message message_;
    unsigned version_ = 11;
    bool refuse_;
    bool keep_alive_ = true;
    bool idle_ = false;
    bool finishing_ = false;
    bool begun_ = false;
    bool upgraded_ = false;
};

}  // namespace

std::unique_ptr<Session> make_session(SessionContext& context, Local::socket socket, bool refuse) {
    return std::make_unique<BeastSession>(context, std::move(socket), refuse);
}

}  // namespace banger::api
