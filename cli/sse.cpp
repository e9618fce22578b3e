#include "cli/sse.hpp"

#include <utility>

namespace banger::cli {

std::vector<SseEvent> SseParser::push(std::string_view bytes) {
    rest_ += bytes;
    std::vector<SseEvent> events;
    std::size_t begin = 0;
    for (auto end = rest_.find('\n'); end != std::string::npos; end = rest_.find('\n', begin)) {
        auto line = std::string_view(rest_).substr(begin, end - begin);
        if (line.ends_with('\r')) line.remove_suffix(1);
        take_line(line, events);
        begin = end + 1;
    }
    rest_.erase(0, begin);
    return events;
}

void SseParser::take_line(std::string_view line, std::vector<SseEvent>& events) {
    if (line.empty()) {
        if (has_data_) {
            if (event_.name.empty()) event_.name = "message";
            events.push_back(std::move(event_));
        }
        event_ = {};
        has_data_ = false;
        return;
    }
    const auto colon = line.find(':');
    const auto field = line.substr(0, colon);
    auto value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (field == "event") event_.name = value;
    if (field == "data") {
        if (has_data_) event_.data += '\n';
        event_.data += value;
        has_data_ = true;
    }
}

}  // namespace banger::cli
