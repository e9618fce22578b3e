#include "daemon/vm/agent_tunnel.hpp"

#include "daemon/vm/agent_error.hpp"
#include "pipelines/io/error.hpp"

namespace banger::vm {
namespace {

class AgentTunnel final : public net::GuestConnection {
  public:
    AgentTunnel(Http2Stream stream, std::string peer)
        : stream_(std::move(stream)), peer_(std::move(peer)) {}

    Task<std::vector<std::byte>> read() override { return stream_.read(); }

    Task<void> write(std::span<const std::byte> bytes) override {
        co_await stream_.write({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
        if (stream_.closed()) fail(Errc::unavailable, "{} has closed the connection", peer_);
    }

    void finish() override { stream_.finish(); }
    Task<void> wait_sent() override { return stream_.wait_closed(); }

  private:
    Http2Stream stream_;
    std::string peer_;
};

}  // namespace

Task<std::unique_ptr<net::GuestConnection>> open_tunnel(Http2Stream stream, std::string peer) {
    const auto status = co_await stream.status();
    if (status >= 300) throw_agent_error(status, co_await read_body(stream, peer), peer);
    co_return std::make_unique<AgentTunnel>(std::move(stream), std::move(peer));
}

}  // namespace banger::vm
