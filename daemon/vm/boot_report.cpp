#include "daemon/vm/boot_report.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "guest/vsock-agent/protocol.hpp"
#include "pipelines/io/utf8.hpp"

namespace banger::vm {
namespace {

constexpr std::string_view kMarkPrefix = "banger: ";
constexpr std::string_view kPanic = "Kernel panic - not syncing: ";

std::vector<std::string_view> split_lines(std::string_view text) {
    std::vector<std::string_view> lines;
    while (!text.empty()) {
        auto end = text.find('\n');
        auto line = text.substr(0, end);
        while (!line.empty() && line.back() == '\r')
            line.remove_suffix(1);
        lines.push_back(line);
        text = end == text.npos ? std::string_view() : text.substr(end + 1);
    }
    return lines;
}

/// The rest of the last line that has `mark` in it.
std::optional<std::string> after_last(std::string_view text, std::string_view mark) {
    auto at = text.rfind(mark);
    if (at == text.npos) return std::nullopt;
    auto lines = split_lines(text.substr(at + mark.size()));
    return lines.empty() ? std::string() : replace_invalid_utf8(std::string(lines.front()));
}

std::optional<api::BootMark> parse_mark(std::string_view line) {
    auto at = line.find(kMarkPrefix);
    if (at == line.npos) return std::nullopt;
    line.remove_prefix(at + kMarkPrefix.size());
    auto space = line.find(' ');
    if (space == 0 || space == line.npos) return std::nullopt;
    api::BootMark mark{std::string(line.substr(0, space)), 0};
    line.remove_prefix(space + 1);
    auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), mark.ms);
    if (error != std::errc() || end != line.data() + line.size()) return std::nullopt;
    return mark;
}

std::string last_seen(std::string_view console) {
    auto marks = marks_in_console(console);
    if (!marks.empty()) return fmt::format("it came as far as '{}'", marks.back().name);
    auto line = last_lines(console, 1);
    if (line.empty()) return "its console is silent";
    return fmt::format("the last line of its console is '{}'", line);
}

}  // namespace

std::vector<api::BootMark> place_guest_marks(const std::vector<api::BootMark>& marks,
                                             std::int64_t vmm_ms, std::int64_t said_ms) {
    if (marks.empty()) return {};
    auto kernel_ms = std::max(vmm_ms, said_ms - marks.back().ms);
    std::vector<api::BootMark> placed{{"kernel", kernel_ms}};
    for (const auto& mark : marks) {
        placed.push_back({mark.name, std::min(kernel_ms + mark.ms, said_ms)});
    }
    return placed;
}

std::vector<api::BootMark> marks_in_console(std::string_view console) {
    std::vector<api::BootMark> marks;
    for (auto line : split_lines(console)) {
        if (auto mark = parse_mark(line)) marks.push_back(std::move(*mark));
    }
    return marks;
}

std::string verdict(const FailedBoot& boot) {
    if (auto said = after_last(boot.console, guest::kFatalMark)) return *said;
    if (auto panic = after_last(boot.console, kPanic)) return "kernel panic: " + *panic;
    if (boot.vmm_exit) {
        return fmt::format("the vmm ended before the guest answered: {}; {}", *boot.vmm_exit,
                           last_seen(boot.console));
    }
    if (last_lines(boot.console, 1).empty()) {
        return fmt::format(
            "no answer from the guest's agent within {} s, and not a word on its console: the "
            "kernel does not start on this machine, or has no serial console; try another one "
            "(banger kernel list --available)",
            boot.seconds);
    }
    return fmt::format("no answer from the guest's agent within {} s; {}", boot.seconds,
                       last_seen(boot.console));
}

std::string last_lines(std::string_view console, std::size_t count) {
    auto lines = split_lines(console);
    std::erase_if(lines, [](std::string_view line) { return line.empty(); });
    std::string text;
    for (std::size_t i = lines.size() > count ? lines.size() - count : 0; i < lines.size(); ++i) {
        if (!text.empty()) text += '\n';
        for (char c : lines[i]) {
            bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
            text += control ? (c == '\t' ? ' ' : '?') : c;
        }
    }
    return replace_invalid_utf8(std::move(text));
}

}  // namespace banger::vm
