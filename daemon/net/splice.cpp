#include "daemon/net/splice.hpp"

#include <boost/asio/write.hpp>

#include "pipelines/io/error.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::net {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kPiece = 32 * 1024;
constexpr std::chrono::seconds kLastDelivery{60};

[[noreturn]] void throw_broken(const boost::system::error_code& error) {
    if (error == asio::error::operation_aborted) throw_cancelled();
    fail(Errc::unavailable, "the client's connection broke: {}", error.message());
}

Task<void> to_guest(asio::ip::tcp::socket& socket, GuestConnection& guest) {
    std::vector<std::byte> piece(kPiece);
    for (;;) {
        auto [error, size] = co_await socket.async_read_some(asio::buffer(piece), as_tuple);
        if (error == asio::error::eof) break;
        if (error) throw_broken(error);
        co_await guest.write(std::span(piece).first(size));
    }
    guest.finish();
}

Task<void> to_client(asio::ip::tcp::socket& socket, GuestConnection& guest) {
    for (;;) {
        const auto bytes = co_await guest.read();
        if (bytes.empty()) break;
        auto [error, size] = co_await asio::async_write(socket, asio::buffer(bytes), as_tuple);
        if (error) throw_broken(error);
    }
    boost::system::error_code ignored;
    socket.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
}

}  // namespace

Task<void> splice(asio::ip::tcp::socket& socket, GuestConnection& guest) {
    co_await when_all(to_guest(socket, guest), to_client(socket, guest));
    co_await with_timeout(kLastDelivery, guest.wait_sent(), "the guest does not read");
}

}  // namespace banger::net
