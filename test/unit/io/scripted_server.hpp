#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/write.hpp>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "pipelines/io/task_group.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::test {

using Socket = boost::asio::ip::tcp::socket;

/// An HTTP server on loopback whose answers are raw bytes, right or wrong, from the test.
class ScriptedServer {
  public:
    /// Answers one request, given as its head with the blank line; may close the socket.
    using Handler = std::function<Task<void>(Socket& socket, std::string head)>;

    ScriptedServer(boost::asio::any_io_executor executor, Handler handler)
        : acceptor_(executor, {boost::asio::ip::address_v4::loopback(), 0}),
          handler_(std::move(handler)) {}

    std::string authority(const std::string& host = "127.0.0.1") const {
        return host + ":" + std::to_string(acceptor_.local_endpoint().port());
    }
    std::string url(const std::string& path, const std::string& host = "127.0.0.1") const {
        return "http://" + authority(host) + path;
    }
    const std::vector<std::string>& heads() const { return heads_; }
    int connections() const { return connections_; }

    /// Serves until cancelled.
    Task<void> serve() {
        TaskGroup sessions(acceptor_.get_executor());
        std::exception_ptr error;
        try {
            while (true) {
                auto socket = co_await acceptor_.async_accept(boost::asio::use_awaitable);
                ++connections_;
                sessions.spawn(session(std::move(socket)));
            }
        } catch (...) {
            error = std::current_exception();
        }
        co_await boost::asio::this_coro::reset_cancellation_state(
            boost::asio::disable_cancellation());
        sessions.cancel();
        co_await sessions.join();
        std::rethrow_exception(error);
    }

  private:
    Task<void> session(Socket socket) {
        std::string buffer;
        while (socket.is_open()) {
            auto [error, size] = co_await boost::asio::async_read_until(
                socket, boost::asio::dynamic_buffer(buffer), "\r\n\r\n", as_tuple);
            if (error) break;
            heads_.push_back(buffer.substr(0, size));
            buffer.erase(0, size);
            co_await handler_(socket, heads_.back());
        }
    }

    boost::asio::ip::tcp::acceptor acceptor_;
    Handler handler_;
    std::vector<std::string> heads_;
    int connections_ = 0;
};

inline Task<void> write_text(Socket& socket, std::string text) {
    co_await boost::asio::async_write(socket, boost::asio::buffer(text), as_tuple);
}

/// A handler that answers every request with the same bytes, and closes afterwards when told to.
inline ScriptedServer::Handler always(std::string answer, bool close = false) {
    return [answer, close](Socket& socket, std::string) -> Task<void> {
        return [](Socket& to, std::string text, bool last) -> Task<void> {
            co_await write_text(to, std::move(text));
            if (last) to.close();
        }(socket, answer, close);
    };
}

/// Runs `client` against a server with that handler, and returns what it returns.
template <class T>
Task<T> with_server(ScriptedServer::Handler handler, Task<T> (*client)(ScriptedServer&)) {
    ScriptedServer server(co_await boost::asio::this_coro::executor, std::move(handler));
    auto result = co_await race(server.serve(), client(server));
    if constexpr (!std::is_void_v<T>) co_return std::get<1>(std::move(result));
}

}  // namespace banger::test
