#include "daemon/api/event_stream.hpp"

#include <boost/json/serialize.hpp>
#include <charconv>
#include <chrono>

#include "daemon/operations/operations.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::api {
namespace {

using namespace std::chrono_literals;
using Events = std::vector<ProgressEvent>;

constexpr auto kHeartbeat = 15s;
// Often enough for a progress bar; in between, progress is coalesced.
constexpr auto kPace = 50ms;

std::string frame(std::string_view event, std::uint64_t seq, const boost::json::value& data) {
    return fmt::format("id: {}\nevent: {}\ndata: {}\n\n", seq, event, boost::json::serialize(data));
}

std::uint64_t last_event_id(const Request& request) {
    const auto header = request.headers.find("Last-Event-ID");
    if (!header) return 0;
    std::uint64_t seq = 0;
    const char* end = header->data() + header->size();
    const auto [stop, error] = std::from_chars(header->data(), end, seq);
    if (error != std::errc{} || stop != end) {
        fail(Errc::invalid_argument, "Last-Event-ID: expected a number, not '{}'", *header);
    }
    return seq;
}

OperationInfo get_operation(const Services& services, const std::string& id) {
    auto info = services.operations.find(id);
    if (!info) fail(Errc::not_found, "no operation {}", id);
    return std::move(*info);
}

// The next events; nothing when it is time for a heartbeat.
Task<std::optional<Events>> next_events(Services& services, std::string id, std::uint64_t seq) {
    auto first = co_await race(services.operations.events_after(id, seq), sleep_for(kHeartbeat));
    if (first.index() == 1) co_return std::nullopt;
    co_return std::get<0>(std::move(first));
}

}  // namespace

std::string progress_frame(const ProgressEvent& event) {
    return frame("progress", event.seq, to_json(event));
}

std::string end_frame(const OperationInfo& info, std::uint64_t seq) {
    return frame("end", seq, to_json(info));
}

Task<void> stream_events(const Request& request, Services& services, Exchange& exchange) {
    const auto& id = request.param("id");
    auto seq = last_event_id(request);
    get_operation(services, id);
    co_await exchange.begin(200, "text/event-stream");
    while (true) {
        const auto events = co_await next_events(services, id, seq);
        std::string text;
        if (!events)
            text = ": still running\n\n";
        else if (events->empty())
            break;
        else {
            for (const auto& event : *events)
                text += progress_frame(event);
            seq = events->back().seq;
        }
        co_await exchange.write(std::move(text));
        // The end is not held up by the pace.
        co_await race(services.operations.wait(id), sleep_for(kPace));
    }
    co_await exchange.write(end_frame(get_operation(services, id), seq));
}

}  // namespace banger::api
