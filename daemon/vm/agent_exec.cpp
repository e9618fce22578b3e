#include "daemon/vm/agent_exec.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>

#include "daemon/vm/agent_error.hpp"
#include "daemon/vm/exec_frames.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/json.hpp"

namespace banger::vm {
namespace {

using guest::Channel;

/// The payload of the status frame: exactly one of the two.
struct ExitReport {
    std::optional<int> exit_code;
    std::optional<int> signal;
};
BOOST_DESCRIBE_STRUCT(ExitReport, (), (exit_code, signal))

std::string_view text(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class AgentExec final : public ExecSession {
  public:
    AgentExec(Http2Stream stream, std::string peer)
        : stream_(std::move(stream)), peer_(std::move(peer)) {}

    Http2Stream& stream() { return stream_; }

    Task<void> write_stdin(std::span<const std::byte> bytes) override {
        while (!bytes.empty()) {
            auto piece = bytes.first(std::min(bytes.size(), guest::kMaxFrame));
            co_await send(Channel::standard_in, std::string(text(piece)));
            bytes = bytes.subspan(piece.size());
        }
    }

    Task<void> close_stdin() override {
        return send(Channel::close, std::string(1, static_cast<char>(Channel::standard_in)));
    }

    Task<void> resize(std::uint16_t width, std::uint16_t height) override {
        return send(Channel::resize, fmt::format(R"({{"Width":{},"Height":{}}})", width, height));
    }

    Task<void> signal(int number) override {
        return send(Channel::signal, fmt::format(R"({{"signal":{}}})", number));
    }

    Task<ExecEvent> next() override {
        for (;;) {
            while (auto frame = reader_.next()) {
                if (auto event = event_of(*frame)) co_return std::move(*event);
            }
            reader_.feed(co_await read());
        }
    }

    Task<void> send(Channel channel, std::string payload) {
        // A whole frame at once: frames of two writers never mix.
        auto frame = exec_frame(channel, payload);
        co_await stream_.write(frame);
    }

  private:
    Task<std::vector<std::byte>> read() {
        std::vector<std::byte> bytes;
        try {
            bytes = co_await stream_.read();
        } catch (const Error& error) {
            fail(error.code(), "{}; the command may run on, its output is lost", error.what());
        }
        if (bytes.empty()) {
            fail(Errc::unavailable, "{} ended the command's stream without its exit status", peer_);
        }
        co_return bytes;
    }

    std::optional<ExecEvent> event_of(ExecFrame& frame) const {
        using Kind = ExecEvent::Kind;
        switch (frame.channel) {
            case Channel::standard_out:
                return ExecEvent{Kind::standard_out, std::move(frame.payload), 0};
            case Channel::standard_error:
                return ExecEvent{Kind::standard_error, std::move(frame.payload), 0};
            case Channel::status:
                return ExecEvent{Kind::exited, {}, exit_code(text(frame.payload))};
            default:
                return std::nullopt;
        }
    }

    int exit_code(std::string_view payload) const {
        auto report = from_json<ExitReport>(parse_json(payload, "the exit status from " + peer_));
        if (report.signal) return 128 + *report.signal;
        return report.exit_code.value_or(-1);
    }

    Http2Stream stream_;
    ExecFrameReader reader_;
    std::string peer_;
};

std::string request_json(const api::ExecRequest& request) {
    boost::json::object json{{"argv", to_json(request.command)},
                             {"env", to_json(request.env)},
                             {"cwd", request.cwd.value_or("")},
                             {"user", request.user.value_or("")},
                             {"tty", request.tty},
                             {"stdin", request.stdin}};
    if (request.width) json["width"] = *request.width;
    if (request.height) json["height"] = *request.height;
    return boost::json::serialize(json);
}

}  // namespace

Task<std::unique_ptr<ExecSession>> start_exec(Http2Stream stream, api::ExecRequest request,
                                              std::string peer) {
    auto payload = request_json(request);
    if (payload.size() > guest::kMaxFrame) {
        fail(Errc::invalid_argument,
             "the command with its environment has {} bytes, at most {} fit", payload.size(),
             guest::kMaxFrame);
    }
    auto session = std::make_unique<AgentExec>(std::move(stream), peer);
    co_await session->send(Channel::request, std::move(payload));
    auto status = co_await session->stream().status();
    if (status >= 300) {
        throw_agent_error(status, co_await read_body(session->stream(), peer), peer);
    }
    co_return session;
}

}  // namespace banger::vm
