#include "pipelines/io/resolve.hpp"

#include <boost/asio/this_coro.hpp>
#include <charconv>
#include <memory>

#include "pipelines/io/error.hpp"
#include "pipelines/io/notifier.hpp"
#include "pipelines/io/wait.hpp"

namespace banger {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

/// Owned by the waiter and by the lookup, whichever lives longer.
struct Lookup {
    explicit Lookup(asio::any_io_executor executor) : resolver(executor), changed(executor) {}

    tcp::resolver resolver;
    Notifier changed;
    bool done = false;
    boost::system::error_code error;
    std::vector<tcp::endpoint> addresses;
};

Task<void> wait_for(std::shared_ptr<Lookup> lookup) {
    while (!lookup->done)
        co_await lookup->changed.wait();
}

std::uint16_t parse_port(const std::string& text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc() || end != text.data() + text.size()) {
        fail(Errc::invalid_argument, "'{}' is not a port number", text);
    }
    return port;
}

void start(const std::shared_ptr<Lookup>& lookup, const std::string& host,
           const std::string& port) {
    auto done = [lookup](const boost::system::error_code& error, const auto& results) {
        lookup->done = true;
        lookup->error = error;
        for (const auto& result : results)
            lookup->addresses.push_back(result.endpoint());
        lookup->changed.notify();
    };
    lookup->resolver.async_resolve(host, port, std::move(done));
}

}  // namespace

Task<std::vector<tcp::endpoint>> resolve_host(std::string host, std::string port,
                                              std::chrono::seconds limit) {
    const auto number = parse_port(port);
    boost::system::error_code not_numeric;
    const auto address = asio::ip::make_address(host, not_numeric);
    if (!not_numeric) co_return std::vector<tcp::endpoint>{{address, number}};

    auto lookup = std::make_shared<Lookup>(co_await asio::this_coro::executor);
    start(lookup, host, port);
    auto late = fmt::format("cannot find the address of {} within {} s", host, limit.count());
    co_await with_timeout(limit, wait_for(lookup), std::move(late));
    if (lookup->error || lookup->addresses.empty()) {
        fail(Errc::unavailable, "cannot find the address of {}: {}", host, lookup->error.message());
    }
    co_return std::move(lookup->addresses);
}

}  // namespace banger
