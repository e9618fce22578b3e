#include <algorithm>
#include <boost/mp11/algorithm.hpp>
#include <charconv>
#include <filesystem>
#include <optional>
#include <sstream>

#include "daemon/config.hpp"
#include "daemon/config_toml.hpp"
#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/error.hpp"

namespace banger {
namespace {

/// The one table whose keys can be set by name.
constexpr std::string_view kLimits = "limits.";

std::string quote(const std::string& text) {
    std::ostringstream out;
    out << toml::value<std::string>(text);
    return out.str();
}

std::string to_toml(const std::string& text, const std::string&) {
    return quote(text);
}

std::string to_toml(const std::string& text, const std::vector<std::string>&) {
    std::string out;
    std::istringstream items(text);
    for (std::string item; std::getline(items, item, ',');) {
        out += (out.empty() ? "" : ", ") + quote(item);
    }
    return "[" + out + "]";
}

std::string to_toml(const std::string&, const std::vector<CatalogConfig>&) {
    fail(Errc::invalid_argument, "use `banger catalog add` and `remove`");
}

template <class T>
std::string to_toml(const std::string&, const std::map<std::string, T>&) {
    fail(Errc::invalid_argument, "a table cannot be set from here; write it into the file");
}

std::string to_toml(const std::string&, const LimitsConfig&) {
    fail(Errc::invalid_argument, "set one of them, such as limits.cpus");
}

std::string to_toml(const std::string& text, bool) {
    return text == "true" || text == "false" ? text : quote(text);
}

/// Only what is a number throughout stays bare: "8GiB" becomes text, and the check before writing
/// tells where that is allowed.
template <class Integer>
    requires std::is_integral_v<Integer>
std::string to_toml(const std::string& text, Integer) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) return quote(text);
    return std::to_string(number);
}

/// Empty when the struct has no such member.
template <class Struct>
std::string format_member(const std::string& key, const std::string& value, std::string& known) {
    using Members = boost::describe::describe_members<Struct, boost::describe::mod_public>;
    std::string out;
    boost::mp11::mp_for_each<Members>([&](auto member) {
        known += std::string(known.empty() ? "" : ", ") + member.name;
        if (key == member.name) out = to_toml(value, Struct{}.*member.pointer);
    });
    return out;
}

std::string format_value(const std::string& key, const std::string& value) {
    const bool limit = key.starts_with(kLimits);
    std::string known;
    auto out = limit ? format_member<LimitsConfig>(key.substr(kLimits.size()), value, known)
                     : format_member<Config>(key, value, known);
    if (out.empty()) fail(Errc::invalid_argument, "no setting '{}'; there are {}", key, known);
    return out;
}

std::size_t offset_of(const std::string& text, toml::source_position position) {
    std::size_t offset = 0;
    for (toml::source_index line = 1; line < position.line; ++line) {
        offset = text.find('\n', offset) + 1;
    }
    // Columns count code points, offsets bytes.
    for (toml::source_index column = 1; column < position.column && offset < text.size();
         ++column) {
        do {
            ++offset;
        } while (offset < text.size() && (static_cast<unsigned char>(text[offset]) & 0xc0) == 0x80);
    }
    return offset;
}

/// A table that only its subtables' headers name has no place of its own.
toml::source_position first_position(const toml::table& table) {
    auto first = table.source().begin;
    for (const auto& [key, node] : table) {
        const auto* inner = node.as_table();
        if (!inner) continue;
        const auto position = first_position(*inner);
        if (!first || (position && position < first)) first = position;
    }
    return first;
}

/// Where the line of the first header begins; the end when there is none.
std::size_t offset_of_first_table(const std::string& text, const toml::table& table) {
    auto offset = text.size();
    for (const auto& [key, node] : table) {
        const auto* inner = node.as_table();
        if (!inner || inner->is_inline()) continue;
        const auto at = offset_of(text, first_position(*inner));
        // A dotted key (a.b = 1) makes a table, too, but has no header.
        const auto line = text.rfind('\n', at == 0 ? 0 : at - 1);
        const auto begin = at == 0 || line == std::string::npos ? 0 : line + 1;
        const auto first = text.find_first_not_of(" \t", begin);
        if (first != std::string::npos && text[first] == '[') offset = std::min(offset, begin);
    }
    return offset;
}

/// Behind the line of the header "[limits]", if that is how the table is written.
std::optional<std::size_t> offset_in_limits(const std::string& text, const toml::table& table) {
    const auto* limits = table["limits"].as_table();
    if (!limits || limits->is_inline()) return std::nullopt;
    const auto at = offset_of(text, limits->source().begin);
    if (at >= text.size() || text[at] != '[') return std::nullopt;
    const auto end = text.find('\n', at);
    return end == std::string::npos ? text.size() : end + 1;
}

std::string with_value(std::string text, const std::string& path, const std::string& key,
                       const std::string& value) {
    const auto table = parse_toml(text, path);
    if (const auto node = table.at_path(key)) {
        const auto begin = offset_of(text, node.node()->source().begin);
        const auto end = offset_of(text, node.node()->source().end);
        return text.replace(begin, end - begin, value);
    }
    const auto inside = key.starts_with(kLimits) ? offset_in_limits(text, table) : std::nullopt;
    // Below a table's header anything else would belong to the table.
    const auto at = inside ? *inside : offset_of_first_table(text, table);
    auto line = (inside ? key.substr(kLimits.size()) : key) + " = " + value + "\n";
    if (at > 0 && text[at - 1] != '\n') line.insert(0, "\n");
    return text.insert(at, line);
}

}  // namespace

void set_config_value(const std::string& path, const std::string& key, const std::string& value) {
    const auto text = with_value(read_if_present(path), path, key, format_value(key, value));
    parse_config(text, path);
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    write_file_atomically(path, text, 0600);
}

}  // namespace banger
