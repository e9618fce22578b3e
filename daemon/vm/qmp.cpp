#include "daemon/vm/qmp.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/write.hpp>
#include <boost/json/serialize.hpp>

#include "pipelines/io/error.hpp"
#include "pipelines/io/json.hpp"
#include "pipelines/io/local_endpoint.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::vm {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kLongestLine = 1 << 20;

class Connection {
  public:
    Connection(asio::any_io_executor executor, std::string peer)
        : socket_(std::move(executor)), peer_(std::move(peer)) {}

    Task<void> open(std::string path) {
        auto [error] = co_await socket_.async_connect(local_endpoint(path), as_tuple);
        check(error);
        // The greeting comes first, and commands only after this one.
        co_await read_line();
        co_await run("qmp_capabilities", {});
    }

    Task<boost::json::value> run(std::string command, boost::json::object arguments) {
        boost::json::object request{{"execute", command}};
        if (!arguments.empty()) request["arguments"] = std::move(arguments);
        auto text = boost::json::serialize(request) + "\n";
        auto [error, ignored] = co_await asio::async_write(socket_, asio::buffer(text), as_tuple);
        check(error);
        for (;;) {
            auto answer = co_await read_line();
            if (auto* value = answer.if_contains("return")) co_return std::move(*value);
            if (auto* refusal = answer.if_contains("error")) refuse(command, *refusal);
            // Anything else is an event, which nobody asked for.
        }
    }

  private:
    Task<boost::json::object> read_line() {
        auto buffer = asio::dynamic_buffer(received_, kLongestLine);
        auto [error, size] = co_await asio::async_read_until(socket_, buffer, '\n', as_tuple);
        check(error);
        auto line = parse_json(received_.substr(0, size), "the answer of " + peer_);
        received_.erase(0, size);
        if (!line.is_object()) fail(Errc::unavailable, "{} does not speak QMP", peer_);
        co_return std::move(line.get_object());
    }

    void check(const boost::system::error_code& error) const {
        if (!error) return;
        if (error == asio::error::operation_aborted) throw_cancelled();
        fail(Errc::unavailable, "{} does not listen: {}", peer_, error.message());
    }

    [[noreturn]] void refuse(const std::string& command, const boost::json::value& error) const {
        auto why = boost::json::serialize(error);
        if (const auto* object = error.if_object()) {
            if (const auto* text = object->if_contains("desc"); text && text->is_string())
                why = text->get_string().c_str();
        }
        fail(Errc::internal, "{} refused '{}': {}", peer_, command, why);
    }

    asio::local::stream_protocol::socket socket_;
    std::string peer_;
    std::string received_;
};

Task<boost::json::value> converse(std::string socket, std::string command,
                                  boost::json::object arguments, std::string peer) {
    Connection connection(co_await asio::this_coro::executor, std::move(peer));
    co_await connection.open(std::move(socket));
    co_return co_await connection.run(std::move(command), std::move(arguments));
}

}  // namespace

Task<boost::json::value> run_qmp(std::string socket, std::string command,
                                 boost::json::object arguments,
                                 std::chrono::steady_clock::duration limit, std::string peer) {
    auto seconds = std::chrono::duration_cast<std::chrono::seconds>(limit).count();
    auto what = fmt::format("{} did not answer '{}' within {} s", peer, command, seconds);
    auto talk =
        converse(std::move(socket), std::move(command), std::move(arguments), std::move(peer));
    co_return co_await with_timeout(limit, std::move(talk), std::move(what));
}

}  // namespace banger::vm
