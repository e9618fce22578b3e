#include "cli/port_spec.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>

#include "pipelines/io/error.hpp"

namespace banger::cli {
namespace {

[[noreturn]] void throw_no_spec(std::string_view text) {
    fail(Errc::invalid_argument,
         "'{}' is no port to publish: use [address:]host:guest, such as 8080:80 or "
         "127.0.0.1:8080:80",
         text);
}

bool is_number(std::string_view text) {
    return !text.empty() &&
           std::ranges::all_of(text, [](unsigned char c) { return std::isdigit(c) != 0; });
}

std::uint16_t parse_port(std::string_view text, std::string_view whole) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (!is_number(text) || error != std::errc() || port == 0) throw_no_spec(whole);
    return port;
}

std::string_view without_protocol(std::string_view text) {
    if (text.ends_with("/udp")) {
        fail(Errc::unsupported, "'{}' cannot be published: only TCP can", text);
    }
    if (text.ends_with("/tcp")) text.remove_suffix(4);
    return text;
}

std::string strip_brackets(std::string_view address, std::string_view whole) {
    const bool opens = address.starts_with('[');
    if (opens != address.ends_with(']') || address.empty() || address == "[]") throw_no_spec(whole);
    // Where an IPv6 address ends and the port begins, only brackets tell.
    if (!opens && address.find(':') != std::string_view::npos) throw_no_spec(whole);
    return std::string(opens ? address.substr(1, address.size() - 2) : address);
}

struct Split {
    std::string_view before;
    std::string_view last;
};

std::optional<Split> split_last(std::string_view text) {
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    return Split{text.substr(0, colon), text.substr(colon + 1)};
}

}  // namespace

api::PublishedPort parse_port_spec(std::string_view whole) {
    const auto text = without_protocol(whole);
    api::PublishedPort port;
    const auto split = split_last(text);
    port.guest = parse_port(split ? split->last : text, whole);
    port.host = port.guest;
    if (!split) return port;
    if (is_number(split->before)) {
        port.host = parse_port(split->before, whole);
        return port;
    }
    const auto place = split_last(split->before);
    if (!place) throw_no_spec(whole);
    port.host = parse_port(place->last, whole);
    port.address = strip_brackets(place->before, whole);
    return port;
}

api::PublishedPort parse_published(std::string_view whole) {
    const auto text = without_protocol(whole);
    const auto split = split_last(text);
    const bool has_guest =
        split && (is_number(split->before) || (!split->before.ends_with(']') &&
                                               split->before.find(':') != std::string_view::npos));
    if (!split || has_guest) return parse_port_spec(whole);
    const auto port = parse_port(split->last, whole);
    return {strip_brackets(split->before, whole), port, port};
}

}  // namespace banger::cli
