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

bool send_all(int fd, const std::string& bytes) {
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
        head += "Content-Length: " + std::to_string(reply.body.size()) + "\r\n";
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
    const auto request = parse(head);
    {
        const std::lock_guard lock(mutex_);
        requests_.push_back(request);
    }
    const auto reply = script_(request);
    if (!send_all(fd, head_of(reply)) || !send_all(fd, reply.body.substr(0, reply.cut_after))) {
        return;
    }
    while (reply.stall && !stopping_) {
        pollfd waiting{fd, POLLRDHUP, 0};
        if (::poll(&waiting, 1, kPollMs) > 0) return;
    }
    ::shutdown(fd, SHUT_WR);
}

std::uint64_t range_start(const ServerRequest& request) {
    const auto found = request.headers.find("range");
    return found == request.headers.end() ? 0 : std::stoull(found->second.substr(6));
}

ServerReply ranged(const ServerRequest& request, const std::string& body) {
    const auto start = range_start(request);
    if (start == 0) return {.body = body};
    return {.status = 206,
            .headers = {{"Content-Range", "bytes " + std::to_string(start) + "-" +
                                              std::to_string(body.size() - 1) + "/" +
                                              std::to_string(body.size())}},
            .body = body.substr(start)};
}

}  // namespace banger::test
