#include "guest/vsock-agent/connection.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "guest/vsock-agent/hello.hpp"
#include "guest/vsock-agent/protocol.hpp"

namespace banger::guest {
namespace {

using std::chrono::milliseconds;

// A port's name appears some milliseconds after its driver; afterwards there is no hurry.
constexpr unsigned kHastyDials = 250;
constexpr milliseconds kHastyDial{2};
constexpr milliseconds kCalmDial{100};
// A little less than the host waits between two pokes.
constexpr milliseconds kPokeSilence{400};
// Edge-triggered: a port without a host is "hung up" all the time, and would be reported all the
// time.
constexpr std::uint32_t kEvents = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

bool is_poke(std::string_view bytes) {
    return bytes.size() == kPoke &&
           std::all_of(bytes.begin(), bytes.end(), [](char byte) { return byte == '\0'; });
}

}  // namespace

void Connection::dial() {
    Transport transport;
    if (open_transport(transport) != 0) return redial();
    adopt(std::move(transport));
}

void Connection::redial() {
    loop_.after(++dials_ < kHastyDials ? kHastyDial : kCalmDial, [this] { dial(); });
}

void Connection::adopt(Transport transport) {
    transport_ = std::move(transport);
    greeted_ = false;
    scanner_ = {};
    const int failed =
        loop_.watch(transport_.fd.get(), kEvents, [this](std::uint32_t) { on_event(); });
    if (failed != 0) redial();
}

void Connection::on_event() {
    if (!greeted_ && host_is_connected(transport_)) say_hello();
    if (!read_all()) return lose_host();
    if (!session_) return;
    const int failed = session_->flush();
    if (failed != 0 && failed != -EAGAIN) return lose_host();
    if (session_->over()) begin_again();
}

bool Connection::read_all() {
    char buffer[64 * 1024];
    for (;;) {
        const ssize_t count = ::read(transport_.fd.get(), buffer, sizeof buffer);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return errno == EAGAIN;
        if (count == 0) return false;
        if (!take({buffer, static_cast<std::size_t>(count)})) begin_again();
    }
}

bool Connection::take(std::string_view bytes) {
    const auto silence = Clock::now() - last_read_;
    last_read_ = Clock::now();
    if (!session_) return look_for_preface(bytes);
    // A poke may land inside a frame that the last host began, where HTTP/2 would take it for
    // payload.
    if (is_poke(bytes) && silence >= kPokeSilence) return false;
    return session_->feed(bytes) == 0 && (session_->flush(), !session_->over());
}

bool Connection::look_for_preface(std::string_view bytes) {
    const std::size_t taken = scanner_.feed(bytes);
    const bool poked = scanner_.take_poke();
    if (!scanner_.found()) {
        // Whoever pokes has not heard the last hello.
        if (poked && Clock::now() - last_hello_ >= kPokeSilence) say_hello();
        return true;
    }
    session_ = Session::make(loop_, api_, [this](std::string_view out) { return write(out); });
    if (!session_ || session_->feed(kClientPreface) != 0) return false;
    bytes.remove_prefix(taken);
    if (!bytes.empty() && session_->feed(bytes) != 0) return false;
    return session_->flush() == 0;
}

void Connection::say_hello() {
    if (!info_.greeted) info_.timeline.mark("agent");
    info_.greeted = true;
    const std::string hello = make_hello(info_);
    // Less than a page, and nothing is queued before it: it goes out whole or not at all.
    greeted_ = ::write(transport_.fd.get(), hello.data(), hello.size()) ==
               static_cast<ssize_t>(hello.size());
    last_hello_ = Clock::now();
}

void Connection::begin_again() {
    session_.reset();
    scanner_ = {};
    greeted_ = false;
    if (host_is_connected(transport_)) say_hello();
}

void Connection::lose_host() {
    session_.reset();
    scanner_ = {};
    greeted_ = false;
    if (transport_.serial) return;
    loop_.forget(transport_.fd.get());
    transport_.fd.reset();
    redial();
}

ssize_t Connection::write(std::string_view bytes) {
    const ssize_t count = ::write(transport_.fd.get(), bytes.data(), bytes.size());
    return count < 0 ? (errno == EINTR ? -EAGAIN : -errno) : count;
}

}  // namespace banger::guest
