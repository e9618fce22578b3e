#include "cli/progress.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/format.hpp"
#include "cli/table.hpp"

namespace banger::cli {
namespace {

constexpr auto kRedrawEvery = std::chrono::milliseconds(80);

bool is_done(const api::ProgressEvent& event) {
    return event.total > 0 && event.done >= event.total;
}

/// Bytes of bytes, and how fast; empty when the event counts nothing.
std::string format_amount(const api::ProgressEvent& event) {
    if (event.done == 0 && event.total == 0) return "";
    auto text = format_bytes(event.done);
    if (event.total > 0 && !is_done(event)) text += " / " + format_bytes(event.total);
    if (event.rate > 0) text += fmt::format("  {}/s", format_bytes(event.rate));
    return text;
}

}  // namespace

std::string ProgressRenderer::update(const api::ProgressEvent& event, Clock::time_point now) {
    if (!screen_.live) return update_plain(event);
    // Events about no item share one line: the stage that everything is in.
    const auto row = std::ranges::find(rows_, event.item, &api::ProgressEvent::item);
    if (row == rows_.end()) {
        rows_.push_back(event);
    } else {
        *row = event;
    }
    dirty_ = true;
    if (drawn_ > 0 && now - last_draw_ < kRedrawEvery) return "";
    last_draw_ = now;
    return draw();
}

std::string ProgressRenderer::update_plain(const api::ProgressEvent& event) {
    const auto same = [&](const api::ProgressEvent& row) {
        return row.stage == event.stage && row.item == event.item;
    };
    const auto row = std::ranges::find_if(rows_, same);
    const bool is_new = row == rows_.end();
    const bool was_done = !is_new && is_done(*row);
    const bool new_message = !event.message.empty() && (is_new || row->message != event.message);
    if (is_new) {
        rows_.push_back(event);
    } else {
        *row = event;
    }
    const bool newly_done = is_done(event) && !was_done;
    const bool new_stage = is_new && event.item.empty();
    return newly_done || new_stage || new_message ? line_of(event) + "\n" : "";
}

std::string ProgressRenderer::draw() {
    // A region taller than the screen could not be redrawn: what is unfinished is shown then.
    const auto room = std::max<std::size_t>(screen_.lines, 2) - 1;
    std::vector<const api::ProgressEvent*> shown;
    for (const auto& row : rows_) {
        if (rows_.size() <= room || !is_done(row)) shown.push_back(&row);
    }
    shown.resize(std::min(shown.size(), room));
    std::string out = drawn_ > 0 ? fmt::format("\r\x1b[{}A", drawn_) : "";
    for (const auto* row : shown) {
        out += fmt::format("{}\x1b[K\n", cut_to_width(line_of(*row), screen_.columns - 1));
    }
    out += "\x1b[J";
    drawn_ = shown.size();
    dirty_ = false;
    return out;
}

std::string ProgressRenderer::line_of(const api::ProgressEvent& event) const {
    auto line = fmt::format("{:<10}", event.stage);
    for (const auto& part : {event.item, format_amount(event), event.message}) {
        if (!part.empty()) line += "  " + part;
    }
    return line.substr(0, line.find_last_not_of(' ') + 1);
}

std::string ProgressRenderer::finish() {
    return screen_.live && dirty_ ? draw() : "";
}

}  // namespace banger::cli
