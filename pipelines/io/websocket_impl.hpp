#pragma once

// Includes Beast: for websocket.cpp and the daemon's server only.

#include <boost/asio/buffer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>
#include <utility>

#include "pipelines/io/error.hpp"
#include "pipelines/io/wait.hpp"
#include "pipelines/io/websocket.hpp"

namespace banger {

/// WebSocket over Beast's stream, after the handshake, of either side.
template <class NextLayer>
class BeastWebSocket final : public WebSocket {
  public:
    using Stream = boost::beast::websocket::stream<NextLayer>;
    static constexpr std::size_t kMaxMessage = 16 * 1024 * 1024;

    explicit BeastWebSocket(Stream stream) : stream_(std::move(stream)) { configure(stream_); }

    /// To be called before the handshake as well: Beast fixes some of it there.
    static void configure(Stream& stream) {
        stream.binary(true);
        stream.auto_fragment(false);
        stream.read_message_max(kMaxMessage);
    }

    Task<std::optional<std::vector<std::byte>>> receive() override {
        auto [error, count] = co_await stream_.async_read(buffer_, as_tuple);
        if (is_end(error)) co_return std::nullopt;
        check(error, "receive from");
        const auto* first = static_cast<const std::byte*>(buffer_.data().data());
        std::vector<std::byte> message(first, first + buffer_.size());
        buffer_.consume(buffer_.size());
        co_return message;
    }

    Task<void> send(std::span<const std::byte> message) override {
        auto bytes = boost::asio::buffer(message.data(), message.size());
        auto [error, count] = co_await stream_.async_write(bytes, as_tuple);
        check(error, "send to");
    }

    Task<void> close() override {
        auto reason = boost::beast::websocket::close_code::normal;
        auto [error] = co_await stream_.async_close(reason, as_tuple);
        // A peer that has gone without a farewell is closed as well.
        if (error == boost::asio::error::operation_aborted) throw_cancelled();
    }

  private:
    static bool is_end(const boost::system::error_code& error) {
        return error == boost::beast::websocket::error::closed ||
               error == boost::asio::error::eof || error == boost::asio::error::connection_reset;
    }

    static void check(const boost::system::error_code& error, const char* what) {
        if (!error) return;
        if (error == boost::asio::error::operation_aborted) throw_cancelled();
        fail(Errc::unavailable, "cannot {} the WebSocket peer: {}", what, error.message());
    }

    Stream stream_;
    boost::beast::flat_buffer buffer_;
};

}  // namespace banger
