#include "cli/operation_wait.hpp"

#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <optional>
#include <span>

#include "cli/progress.hpp"
#include "cli/sse.hpp"
#include "cli/stdio.hpp"
#include "cli/terminal.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::cli {
namespace {

constexpr auto kLookAgain = std::chrono::milliseconds(200);
// Five seconds: enough for a daemon that its service manager starts again.
constexpr int kLooksInVain = 25;

/// Progress on standard error; nothing of it with --json.
class ProgressView {
  public:
    ProgressView(bool quiet, std::vector<api::ProgressEvent>* profile)
        : quiet_(quiet), profile_(profile), renderer_(screen()) {}
    ProgressView(const ProgressView&) = delete;
    ProgressView& operator=(const ProgressView&) = delete;
    ~ProgressView() { finish(); }
    void show(const api::ProgressEvent& event) {
        if (event.stage == "profile") {
            if (profile_) profile_->push_back(event);
            return;
        }
        write(renderer_.update(event, ProgressRenderer::Clock::now()));
    }
    void finish() { write(renderer_.finish()); }

  private:
    static ProgressRenderer::Screen screen() {
        const auto size = terminal_size(STDERR_FILENO);
        return {is_live_terminal(STDERR_FILENO), size.columns, size.lines};
    }
    void write(const std::string& text) {
        if (!quiet_) std::fwrite(text.data(), 1, text.size(), stderr);
    }
    bool quiet_;
    std::vector<api::ProgressEvent>* profile_;
    ProgressRenderer renderer_;
};

class StandardInput final : public ByteSource {
  public:
    explicit StandardInput(BlockingPool& pool) : pool_(pool) {}
    Task<std::size_t> read_some(std::span<std::byte> buffer) override {
        return read_fd(pool_, STDIN_FILENO, buffer);
    }

  private:
    BlockingPool& pool_;
};

std::string target_of(const api::OperationInfo& operation) {
    return "/v1/operations/" + encode_segment(operation.id);
}

/// A VM that is to get a generated name has none yet.
std::string describe(const api::OperationInfo& operation) {
    if (operation.target.empty()) return operation.kind;
    return fmt::format("{} of '{}'", operation.kind, operation.target);
}

std::string describe_cancelled(const api::OperationInfo& operation) {
    return describe(operation) + " was cancelled";
}

/// Reads one event stream; nothing when it ended before the operation did.
Task<std::optional<api::OperationInfo>> read_events(ApiClient& client, std::string target,
                                                    ProgressView& view) {
    const auto response = co_await client.open_stream(target + "/events");
    SseParser parser;
    std::array<char, 4096> buffer{};
    while (const auto got =
               co_await response->read_some(std::as_writable_bytes(std::span(buffer)))) {
        for (const auto& event : parser.push({buffer.data(), got})) {
            const auto data = parse_json(event.data, "an event of the operation");
            if (event.name == "end") co_return from_json<api::OperationInfo>(data);
            if (event.name == "progress") view.show(from_json<api::ProgressEvent>(data));
        }
    }
    co_return std::nullopt;
}

/// Follows the operation for as long as the daemon lets us, and tells how it stands then; nothing
/// when the daemon went away.
Task<std::optional<api::OperationInfo>> look(ApiClient& client, api::OperationInfo operation,
                                             ProgressView& view) {
    try {
        auto ended = co_await read_events(client, target_of(operation), view);
        if (ended) co_return ended;
        co_return from_json<api::OperationInfo>(co_await client.get(target_of(operation)));
    } catch (const Error& error) {
        if (error.code() == Errc::unavailable) co_return std::nullopt;
        if (error.code() != Errc::not_found) throw;
        // Operations live as long as the daemon that was asked for them.
        fail(Errc::not_found, "the daemon was restarted; {} was lost", describe(operation));
    }
}

Task<api::OperationInfo> watch(ApiClient& client, api::OperationInfo operation,
                               ProgressView& view) {
    for (int in_vain = 0; in_vain < kLooksInVain;) {
        const auto seen = co_await look(client, operation, view);
        if (seen && seen->state != "running") co_return *seen;
        in_vain = seen ? 0 : in_vain + 1;
        co_await sleep_for(kLookAgain);
    }
    throw DaemonUnreachable(fmt::format("bangerd went away before {} ended; nothing answers on {}",
                                        describe(operation), client.socket()));
}

Task<void> cancel(Session& session, const api::OperationInfo& operation) {
    say("cancelling " + operation.kind + "; press Ctrl-C again to leave at once");
    try {
        co_await session.client.remove(target_of(operation));
    } catch (const Error& error) {
        // It ended in this moment: the next look at it tells how.
        if (error.code() != Errc::not_found && error.code() != Errc::conflict) throw;
    }
}

/// Within the same race as the wait, so that a second interrupt is heeded at any point.
Task<api::OperationInfo> cancel_and_watch(Session& session, api::OperationInfo operation,
                                          ProgressView& view) {
    co_await cancel(session, operation);
    co_return co_await watch(session.client, std::move(operation), view);
}

Task<api::OperationInfo> follow(Session& session, Interrupts& interrupts,
                                api::OperationInfo operation, ProgressView& view) {
    auto first = co_await race(watch(session.client, operation, view), interrupts.next());
    if (first.index() == 0) co_return std::get<0>(std::move(first));
    view.finish();
    const auto signal = std::get<1>(first);
    auto second = co_await race(cancel_and_watch(session, operation, view), interrupts.next());
    if (second.index() == 1) leave_at_once(std::get<1>(second));
    auto ended = std::get<0>(std::move(second));
    if (ended.state == "cancelled") throw Interrupted(signal, describe_cancelled(ended));
    co_return ended;
}

}  // namespace

Task<api::OperationInfo> follow_operation(Session& session, Interrupts& interrupts,
                                          api::OperationInfo operation,
                                          std::vector<api::ProgressEvent>* profile) {
    ProgressView view(session.json, profile);
    co_return co_await follow(session, interrupts, std::move(operation), view);
}

const boost::json::value& require_success(const api::OperationInfo& operation) {
    if (operation.state == "succeeded") return operation.result;
    if (operation.state == "cancelled") {
        throw Error(Errc::cancelled, describe_cancelled(operation));
    }
    if (operation.error) {
        throw Error(errc_from_string(operation.error->code), operation.error->message);
    }
    fail(Errc::internal, "{} {}", describe(operation), operation.state);
}

bool is_operation(const boost::json::value& answer) {
    const auto* object = answer.if_object();
    return object && object->contains("kind") && object->contains("target") &&
           object->contains("state");
}

Task<boost::json::value> finish_request(Session& session, Interrupts& interrupts,
                                        boost::json::value answer,
                                        std::vector<api::ProgressEvent>* profile) {
    if (!is_operation(answer)) co_return answer;
    auto operation = from_json<api::OperationInfo>(answer);
    const auto ended =
        co_await follow_operation(session, interrupts, std::move(operation), profile);
    co_return require_success(ended);
}

Task<boost::json::value> run_operation(Session& session, std::string target,
                                       boost::json::value body,
                                       std::vector<api::ProgressEvent>* profile) {
    Interrupts interrupts(session.executor);
    auto answer = co_await session.client.post(std::move(target), std::move(body));
    co_return co_await finish_request(session, interrupts, std::move(answer), profile);
}

Task<boost::json::value> run_upload(Session& session, std::string target,
                                    std::vector<api::ProgressEvent>* profile) {
    if (::isatty(STDIN_FILENO)) {
        fail(Errc::invalid_argument, "standard input is a terminal; pipe an archive into it");
    }
    Interrupts interrupts(session.executor);
    StandardInput input(session.pool);
    auto first =
        co_await race(session.client.post_archive(std::move(target), input), interrupts.next());
    if (first.index() == 1) {
        throw Interrupted(std::get<1>(first), "the archive was not sent to its end");
    }
    co_return co_await finish_request(session, interrupts, std::get<0>(std::move(first)), profile);
}

Task<boost::json::value> run_removal(Session& session, std::string target) {
    Interrupts interrupts(session.executor);
    auto answer = co_await session.client.remove(std::move(target));
    co_return co_await finish_request(session, interrupts, std::move(answer));
}

}  // namespace banger::cli
