#include "test/support/script_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <stdexcept>

namespace banger::test {
namespace {

constexpr int kPollMs = 20;

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

ServerRequest parse(const std::string& head) {
    ServerRequest request;
    request.method = head.substr(0, head.find(' '));
    const auto start = head.find(' ') + 1;
    request.target = head.substr(start, head.find(' ', start) - start);
    for (auto at = head.find("\r\n") + 2; at < head.size();) {
        const auto end = head.find("\r\n", at);
        const auto line = head.substr(at, end - at);
        const auto colon = line.find(':');
        if (colon != std::string::npos) {
            request.headers[lower(line.substr(0, colon))] =
                line.substr(std::min(colon + 2, line.size()));
        }
        if (end == std::string::npos) break;
        at = end + 2;
    }
    return request;
}

bool send_all(int fd, std::string_view bytes) {
    for (std::size_t sent = 0; sent < bytes.size();) {
        const auto count = ::send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
        if (count <= 0) return false;
        sent += static_cast<std::size_t>(count);
    }
    return true;
}

std::string head_of(const ServerReply& reply) {
    auto head = "HTTP/1.1 " + std::to_string(reply.status) + " Scripted\r\nConnection: close\r\n";
    for (const auto& [name, value] : reply.headers)
        head += name + ": " + value + "\r\n";
    if (!reply.without_length) {
        head += "Content-Length: " + std::to_string(reply.bytes().size()) + "\r\n";
    }
    return head + "\r\n";
}

}  // namespace

ScriptServer::ScriptServer(Script script) : script_(std::move(script)) {
    listener_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener_.get(), generic, size) != 0 || ::listen(listener_.get(), 64) != 0 ||
        ::getsockname(listener_.get(), generic, &size) != 0) {
        throw std::runtime_error("the scripted server cannot listen");
    }
    port_ = ntohs(address.sin_port);
    acceptor_ = std::jthread([this] { accept_all(); });
}

ScriptServer::~ScriptServer() {
    stopping_ = true;
    acceptor_.join();
    for (auto& connection : connections_)
        connection.join();
}

std::vector<ServerRequest> ScriptServer::requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
}

void ScriptServer::accept_all() {
    while (!stopping_) {
        pollfd waiting{listener_.get(), POLLIN, 0};
        if (::poll(&waiting, 1, kPollMs) <= 0) continue;
        const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
        if (fd >= 0) connections_.emplace_back([this, fd] { serve(fd); });
    }
}

void ScriptServer::serve(int fd) {
    const UniqueFd socket(fd);
    std::string head;
    char buffer[4096];
    while (head.find("\r\n\r\n") == std::string::npos) {
        pollfd waiting{fd, POLLIN, 0};
        if (stopping_) return;
        if (::poll(&waiting, 1, kPollMs) <= 0) continue;
        const auto count = ::recv(fd, buffer, sizeof buffer, 0);
        if (count <= 0) return;
        head.append(buffer, static_cast<std::size_t>(count));
    }
    const auto end = head.find("\r\n\r\n");
    auto request = parse(head.substr(0, end + 2));
    if (!read_body(fd, request, head.substr(end + 4))) return;
    {
        const std::lock_guard lock(mutex_);
        requests_.push_back(request);
    }
    const auto reply = script_(request);
    const auto answer = head_of(reply);
    if (reply.only_interim) return announce_only(fd);
    if (reply.stall_in_header) {
        send_all(fd, std::string_view(answer).substr(0, answer.size() / 2));
        return wait_for_end(fd);
    }
    if (!send_all(fd, answer)) return;
    if (request.method != "HEAD") {
        if (reply.drip) return send_slowly(fd, reply.bytes());
        const auto bytes = reply.bytes().substr(0, reply.cut_after);
        bytes_sent_ += bytes.size();
        if (!send_all(fd, bytes)) return;
        if (reply.stall) return wait_for_end(fd);
    }
    ::shutdown(fd, SHUT_WR);
}

bool ScriptServer::read_body(int fd, ServerRequest& request, std::string rest) const {
    const auto length = request.headers.find("content-length");
    request.body = std::move(rest);
    const auto size = length == request.headers.end() ? 0 : std::stoull(length->second);
    char buffer[4096];
    while (request.body.size() < size) {
        pollfd waiting{fd, POLLIN, 0};
        if (stopping_) return false;
        if (::poll(&waiting, 1, kPollMs) <= 0) continue;
        const auto count = ::recv(fd, buffer, sizeof buffer, 0);
        if (count <= 0) return false;
        request.body.append(buffer, static_cast<std::size_t>(count));
    }
    return true;
}

void ScriptServer::send_slowly(int fd, std::string_view bytes) {
    for (std::size_t at = 0; !stopping_; ++at) {
        if (at < bytes.size() && !send_all(fd, bytes.substr(at, 1))) return;
        pollfd waiting{fd, POLLRDHUP, 0};
        if (::poll(&waiting, 1, kPollMs) > 0) return;
    }
}

void ScriptServer::announce_only(int fd) const {
    while (!stopping_ && send_all(fd, "HTTP/1.1 103 Early Hints\r\n\r\n")) {
        pollfd waiting{fd, POLLRDHUP, 0};
        if (::poll(&waiting, 1, kPollMs) > 0) return;
    }
}

void ScriptServer::wait_for_end(int fd) const {
    while (!stopping_) {
        pollfd waiting{fd, POLLRDHUP, 0};
        if (::poll(&waiting, 1, kPollMs) > 0) return;
    }
}

std::uint64_t range_start(const ServerRequest& request) {
    const auto found = request.headers.find("range");
    return found == request.headers.end() ? 0 : std::stoull(found->second.substr(6));
}

ServerReply ranged(const ServerRequest& request, std::string_view body) {
    const auto start = range_start(request);
    if (start == 0) return {.view = body};
    return {.status = 206,
            .headers = {{"Content-Range", "bytes " + std::to_string(start) + "-" +
                                              std::to_string(body.size() - 1) + "/" +
                                              std::to_string(body.size())}},
            .view = body.substr(start)};
}

}  // namespace banger::test
