#include "guest/vsock-agent/tunnel.hpp"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "guest/vsock-agent/listeners.hpp"

namespace banger::guest {
namespace {

constexpr std::chrono::seconds kLastDelivery{60};

union SocketAddress {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
};

socklen_t make_address(const std::string& text, std::uint16_t port, SocketAddress& address) {
    address = {};
    if (::inet_pton(AF_INET, text.c_str(), &address.v4.sin_addr) == 1) {
        address.v4.sin_family = AF_INET;
        address.v4.sin_port = htons(port);
        return sizeof address.v4;
    }
    ::inet_pton(AF_INET6, text.c_str(), &address.v6.sin6_addr);
    address.v6.sin6_family = AF_INET6;
    address.v6.sin6_port = htons(port);
    return sizeof address.v6;
}

/// Linux lets a socket connect to itself, when the port it asks for is the one it was given.
bool is_itself(int socket) {
    SocketAddress ours{};
    SocketAddress theirs{};
    socklen_t size = sizeof ours;
    socklen_t other_size = sizeof theirs;
    return ::getsockname(socket, &ours.any, &size) == 0 &&
           ::getpeername(socket, &theirs.any, &other_size) == 0 && size == other_size &&
           std::memcmp(&ours, &theirs, size) == 0;
}

}  // namespace

std::shared_ptr<Tunnel> Tunnel::open(Loop& loop, std::uint16_t port, StreamEnd stream,
                                     Connected connected) {
    auto tunnel = std::make_shared<Tunnel>(loop, port, std::move(stream), std::move(connected));
    tunnel->try_next();
    return tunnel;
}

Tunnel::Tunnel(Loop& loop, std::uint16_t port, StreamEnd stream, Connected connected)
    : loop_(loop), port_(port), stream_(std::move(stream)), connected_(std::move(connected)) {}

// A listener at "::" is at 127.0.0.1 as well, or at ::1 only.
bool Tunnel::next_address(std::string& address) {
    if (addresses_.empty() && !std::exchange(asked_for_others_, true)) {
        for (const Listener& listener : read_listeners()) {
            const bool all = listener.address == "0.0.0.0" || listener.address == "::";
            if (listener.port == port_ && !all) addresses_.push_back(listener.address);
        }
    }
    if (addresses_.empty()) return false;
    address = std::move(addresses_.back());
    addresses_.pop_back();
    return true;
}

void Tunnel::try_next() {
    std::string next;
    while (next_address(next)) {
        close();
        SocketAddress address;
        const socklen_t size = make_address(next, port_, address);
        socket_.reset(
            ::socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        const bool stands = socket_ && ::connect(socket_.get(), &address.any, size) == 0;
        if (stands && !is_itself(socket_.get())) return on_connected(0);
        if (!stands && socket_ && errno == EINPROGRESS) return watch();
        const int error = stands ? ECONNREFUSED : errno;
        // What a guest without IPv6 says of ::1 explains nothing.
        const bool telling = error != EAFNOSUPPORT && error != EADDRNOTAVAIL;
        if (telling || last_error_ == 0) last_error_ = error;
    }
    on_connected(last_error_);
}

void Tunnel::on_connected(int error) {
    connecting_ = false;
    if (error != 0) {
        close();
        break_input();
    } else {
        const int yes = 1;
        // Whoever talks through it decides what goes out together.
        ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    }
    if (const auto connected = std::exchange(connected_, {})) connected(error);
    if (error == 0 && (input_ended_ || !input_.empty())) write_input();
}

void Tunnel::on_event(std::uint32_t events) {
    if (connecting_) {
        int error = 0;
        socklen_t size = sizeof error;
        ::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
        if (error == 0 && is_itself(socket_.get())) error = ECONNREFUSED;
        if (error == 0) return on_connected(0);
        last_error_ = error;
        return try_next();
    }
    if (!input_.empty() && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) write_input();
    if (!socket_) return;
    if (attached_ && waiting_ && (events & ~std::uint32_t{EPOLLOUT}) != 0) {
        waiting_ = false;
        stream_.output_ready();
    }
    watch();
}

void Tunnel::take(std::string_view bytes) {
    if (input_broken_) return stream_.consumed(bytes.size());
    input_.append(bytes);
    if (!connecting_) write_input();
}

void Tunnel::end_input() {
    if (std::exchange(input_ended_, true) || connecting_) return;
    write_input();
}

void Tunnel::write_input() {
    if (input_broken_ || !socket_) return break_input();
    std::size_t written = 0;
    while (written < input_.size()) {
        const ssize_t count =
            ::send(socket_.get(), input_.data() + written, input_.size() - written, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && errno != EAGAIN) return break_input();
        if (count < 0) break;
        written += static_cast<std::size_t>(count);
    }
    input_.erase(0, written);
    if (written > 0 && attached_) stream_.consumed(written);
    if (!socket_) return;
    if (!input_.empty()) return watch();
    if (!input_ended_) return;
    ::shutdown(socket_.get(), SHUT_WR);
    if (!attached_) close();
}

/// What is still on its way back is delivered before the stream is reset.
void Tunnel::break_input() {
    input_broken_ = true;
    const std::size_t size = std::exchange(input_, {}).size();
    if (!attached_) return close();
    if (size > 0) stream_.consumed(size);
    if (output_ended_) stream_.reset();
}

std::ptrdiff_t Tunnel::read_output(std::uint8_t* buffer, std::size_t length, bool& finished) {
    finished = output_ended_;
    if (finished) return 0;
    if (!socket_) return -1;
    ssize_t count = 0;
    do {
        count = ::recv(socket_.get(), buffer, length, 0);
    } while (count < 0 && errno == EINTR);
    if (count > 0) return count;
    if (count == 0) {
        finished = output_ended_ = true;
        return 0;
    }
    if (errno != EAGAIN) return -1;
    waiting_ = true;
    watch();
    return 0;
}

void Tunnel::watch() {
    if (!socket_) return;
    std::uint32_t events = waiting_ && attached_ ? EPOLLIN : 0;
    if (connecting_ || !input_.empty()) events |= EPOLLOUT;
    // A connection that is "hung up" would be reported all the time.
    if (events == 0) return;
    events |= EPOLLONESHOT;
    if (std::exchange(watched_, true)) {
        loop_.rearm(socket_.get(), events);
        return;
    }
    loop_.watch(socket_.get(), events,
                [self = shared_from_this()](std::uint32_t got) { self->on_event(got); });
}

void Tunnel::finish() {
    attached_ = false;
    if (input_.empty() || input_broken_) return close();
    // Nobody waits for a process that does not read.
    loop_.after(kLastDelivery, [self = shared_from_this()] { self->abort(); });
}

void Tunnel::abort() {
    attached_ = false;
    connected_ = {};
    if (!socket_) return;
    const linger at_once{1, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close();
}

void Tunnel::close() {
    if (std::exchange(watched_, false)) loop_.forget(socket_.get());
    socket_.reset();
}

}  // namespace banger::guest
