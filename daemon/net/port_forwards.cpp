#include "daemon/net/port_forwards.hpp"

#include <netinet/tcp.h>
#include <spdlog/spdlog.h>

#include <boost/asio/ip/v6_only.hpp>
#include <utility>

#include "daemon/net/splice.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::net {

namespace asio = boost::asio;
using Tcp = asio::ip::tcp;

namespace {

constexpr int kBacklog = 128;
constexpr std::chrono::milliseconds kAcceptAgain{100};

[[noreturn]] void throw_not_bound(const HostPort& at, const boost::system::error_code& error) {
    const auto where = to_string(at);
    if (error == asio::error::address_in_use) {
        fail(Errc::conflict, "{} is in use already: choose another port", where);
    }
    if (error == asio::error::access_denied) {
        fail(Errc::unauthorized,
             "{} is not for ordinary users: choose a port from 1024 on, or lower "
             "net.ipv4.ip_unprivileged_port_start",
             where);
    }
    if (error.value() == EADDRNOTAVAIL) {
        fail(Errc::invalid_argument, "{} is no address of this host", at.address);
    }
    fail(Errc::unavailable, "cannot listen at {}: {}", where, error.message());
}

Tcp::endpoint endpoint_of(const HostPort& at) {
    boost::system::error_code error;
    const auto address = asio::ip::make_address(at.address, error);
    if (error) fail(Errc::invalid_argument, "'{}' is no address", at.address);
    return {address, at.port};
}

Tcp::acceptor listen(const asio::any_io_executor& executor, const HostPort& at) {
    const auto endpoint = endpoint_of(at);
    Tcp::acceptor acceptor(executor);
    boost::system::error_code error;
    acceptor.open(endpoint.protocol(), error);
    // Connections of a daemon before us may still be closing.
    if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
    if (!error && endpoint.address().is_v6()) acceptor.set_option(asio::ip::v6_only(true), error);
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(kBacklog, error);
    if (error) throw_not_bound(at, error);
    return acceptor;
}

void reset(Tcp::socket& socket) {
    boost::system::error_code ignored;
    socket.set_option(asio::socket_base::linger(true, 0), ignored);
    socket.close(ignored);
}

void prepare(Tcp::socket& socket) {
    boost::system::error_code ignored;
    socket.set_option(Tcp::no_delay(true), ignored);
    // A peer that vanished without a word is noticed after some minutes.
    socket.set_option(asio::socket_base::keep_alive(true), ignored);
    socket.set_option(asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPIDLE>(60), ignored);
    socket.set_option(asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPINTVL>(15),
                      ignored);
}

struct Counted {
    std::shared_ptr<std::size_t> count;
    explicit Counted(std::shared_ptr<std::size_t> n) : count(std::move(n)) { ++*count; }
    ~Counted() { --*count; }
    Counted(const Counted&) = delete;
};

/// Counts for as long as somebody has it.
class CountedConnection final : public GuestConnection {
  public:
    CountedConnection(std::unique_ptr<Counted> counted, std::unique_ptr<GuestConnection> guest)
        : counted_(std::move(counted)), guest_(std::move(guest)) {}

    Task<std::vector<std::byte>> read() override { return guest_->read(); }
    Task<void> write(std::span<const std::byte> bytes) override { return guest_->write(bytes); }
    void finish() override { guest_->finish(); }
    Task<void> wait_sent() override { return guest_->wait_sent(); }

  private:
    std::unique_ptr<Counted> counted_;
    std::unique_ptr<GuestConnection> guest_;
};

}  // namespace

struct PortForwards::Forward {
    Tcp::acceptor acceptor;
    HostPort at;
    std::uint16_t guest_port;
    bool closed = false;
};

std::string to_string(const HostPort& at) {
    const bool v6 = at.address.find(':') != std::string::npos;
    return v6 ? fmt::format("[{}]:{}", at.address, at.port)
              : fmt::format("{}:{}", at.address, at.port);
}

PortForwards::PortForwards(asio::any_io_executor executor, ForwardLimits limits, Dial dial)
    : executor_(executor), limits_(limits), dial_(std::move(dial)), never_(executor) {}

PortForwards::~PortForwards() = default;

void PortForwards::open(const HostPort& at, std::uint16_t guest_port) {
    if (closed_) fail(Errc::unavailable, "the vm of {} has ended", to_string(at));
    if (forwards_.contains(at)) fail(Errc::conflict, "{} is published already", to_string(at));
    auto forward = std::make_shared<Forward>(Forward{listen(executor_, at), at, guest_port});
    forwards_[at] = forward;
    if (running_) running_->spawn(accept(forward));
}

bool PortForwards::close(const HostPort& at) {
    const auto found = forwards_.find(at);
    if (found == forwards_.end()) return false;
    boost::system::error_code ignored;
    found->second->closed = true;
    found->second->acceptor.close(ignored);
    forwards_.erase(found);
    return true;
}

void PortForwards::close() {
    closed_ = true;
    while (!forwards_.empty()) {
        const auto at = forwards_.begin()->first;
        close(at);
    }
}

std::map<HostPort, std::uint16_t> PortForwards::ports() const {
    std::map<HostPort, std::uint16_t> ports;
    for (const auto& [at, forward] : forwards_)
        ports[at] = forward->guest_port;
    return ports;
}

Task<std::unique_ptr<GuestConnection>> PortForwards::connect(std::uint16_t guest_port) {
    if (*connections_ >= limits_.connections) {
        fail(Errc::unavailable, "the vm has {} connections already, as many as it may; close some",
             *connections_);
    }
    auto counted = std::make_unique<Counted>(connections_);
    auto guest = co_await dial_(guest_port);
    co_return std::make_unique<CountedConnection>(std::move(counted), std::move(guest));
}

Task<void> PortForwards::run() {
    TaskGroup group(executor_);
    struct Running {
        TaskGroup*& running;
        ~Running() { running = nullptr; }
    } running{running_};
    running_ = &group;
    group.spawn(keep_open());
    for (const auto& [at, forward] : forwards_)
        group.spawn(accept(forward));
    co_await group.join();
}

/// A port may be opened when none is.
Task<void> PortForwards::keep_open() {
    for (;;)
        co_await never_.wait();
}

Task<void> PortForwards::accept(std::shared_ptr<Forward> forward) {
    while (!forward->closed) {
        auto [error, socket] = co_await forward->acceptor.async_accept(as_tuple);
        if (forward->closed) co_return;
        if (error == asio::error::operation_aborted) throw_cancelled();
        if (error) {
            // For one, too many open files: others may be closed soon.
            spdlog::warn("cannot accept at {}: {}", to_string(forward->at), error.message());
            co_await sleep_for(kAcceptAgain);
        } else if (*connections_ >= limits_.connections) {
            // Said once: a flood must not fill the log.
            if (!std::exchange(full_, true)) {
                spdlog::warn("{} has {} connections already: more are reset",
                             to_string(forward->at), *connections_);
            }
            reset(socket);
        } else {
            full_ = false;
            running_->spawn(serve(std::move(socket), forward->guest_port));
        }
    }
}

/// Never throws but a cancellation: the other connections are in the same group.
Task<void> PortForwards::serve(Tcp::socket socket, std::uint16_t guest_port) {
    Counted counted(connections_);
    prepare(socket);
    try {
        auto guest = co_await with_timeout(limits_.dial, dial_(guest_port),
                                           fmt::format("port {} does not answer", guest_port));
        co_await splice(socket, *guest);
        co_return;
    } catch (const std::exception& e) {
        reset(socket);
        if (is_cancellation(std::current_exception())) throw;
        spdlog::debug("a connection to port {} of a guest was reset: {}", guest_port, e.what());
    }
}

}  // namespace banger::net
