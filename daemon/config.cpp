#include "daemon/config.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <boost/mp11/algorithm.hpp>
#include <charconv>
#include <filesystem>
#include <limits>
#include <set>
#include <sstream>

#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/http_client.hpp"
#include "pipelines/io/http_target.hpp"
#include "pipelines/io/size.hpp"

namespace banger {
namespace {

using Members = boost::describe::describe_members<Config, boost::describe::mod_public>;

[[noreturn]] void fail_at(const std::string& path, const toml::source_region& where,
                          const std::string& message) {
    fail(Errc::invalid_argument, "{}:{}: {}", path, where.begin.line, message);
}

bool read_value(const toml::node& node, std::string& out) {
    const auto text = node.value_exact<std::string>();
    if (text) out = *text;
    return text.has_value();
}

bool read_value(const toml::node& node, bool& out) {
    const auto flag = node.value_exact<bool>();
    if (flag) out = *flag;
    return flag.has_value();
}

template <class Integer>
    requires std::is_integral_v<Integer>
bool read_value(const toml::node& node, Integer& out) {
    const auto number = node.value_exact<std::int64_t>();
    if (!number || *number < 0) return false;
    if (static_cast<std::uint64_t>(*number) > std::numeric_limits<Integer>::max()) return false;
    out = static_cast<Integer>(*number);
    return true;
}

/// TOML has no sizes, so they may be written as text. Settings of 64 bits are sizes.
bool read_value(const toml::node& node, std::uint64_t& out) {
    if (const auto text = node.value_exact<std::string>()) {
        out = parse_size(*text);
        return true;
    }
    return read_value<std::uint64_t>(node, out);
}

bool read_value(const toml::node& node, std::vector<std::string>& out) {
    const auto* array = node.as_array();
    if (!array) return false;
    out.clear();
    for (const auto& item : *array) {
        if (!read_value(item, out.emplace_back())) return false;
    }
    return true;
}

bool read_value(const toml::node& node, CatalogConfig& out) {
    const auto* table = node.as_table();
    if (!table) return false;
    for (const auto& [key, value] : *table) {
        const bool known = key == "name" || key == "url" || key == "keys";
        if (!known) {
            fail(Errc::invalid_argument, "unknown key '{}'; a catalog has name, url and keys",
                 key.str());
        }
        if (!(key == "keys" ? read_value(value, out.keys)
                            : read_value(value, key == "name" ? out.name : out.url))) {
            return false;
        }
    }
    if (out.name.empty() || out.url.empty()) {
        fail(Errc::invalid_argument, "a catalog has a name and a url");
    }
    return true;
}

bool read_value(const toml::node& node, std::vector<CatalogConfig>& out) {
    const auto* array = node.as_array();
    if (!array) return false;
    out.clear();
    std::set<std::string> names;
    for (const auto& item : *array) {
        if (!read_value(item, out.emplace_back())) return false;
        if (!names.insert(out.back().name).second) {
            fail(Errc::invalid_argument, "two catalogs are named '{}'", out.back().name);
        }
    }
    return true;
}

/// Throws a key's own sentence; what is no table or no such value makes it false.
template <class T>
bool read_value(const toml::node& node, std::map<std::string, T>& out);

bool read_value(const toml::node& node, RegistryConfig& out) {
    const auto* table = node.as_table();
    if (!table) return false;
    for (const auto& [key, value] : *table) {
        if (key.str() != "ca") {
            fail(Errc::invalid_argument, "unknown key '{}'; a registry has the key 'ca'",
                 key.str());
        }
        if (!read_value(value, out.ca)) return false;
    }
    return true;
}

template <class T>
bool read_value(const toml::node& node, std::map<std::string, T>& out) {
    const auto* table = node.as_table();
    if (!table) return false;
    out.clear();
    for (const auto& [key, value] : *table) {
        if (!read_value(value, out[std::string(key.str())])) return false;
    }
    return true;
}

/// Where to go instead of a registry: an address without anything behind its path, that we may
/// speak to.
void check_mirror(const std::string& mirror, const Config& config) {
    const auto target = parse_http_url(mirror);
    if (target.path.find('?') != std::string::npos) {
        fail(Errc::invalid_argument, "the mirror '{}' has a query", mirror);
    }
    check_plain_http(target, {.plain_http_hosts = config.plain_http_registries});
}

/// What the grammar of TOML cannot say about a key.
std::string describe_bad_choice(const Config& config) {
    if (config.accelerator != "auto" && config.accelerator != "kvm" &&
        config.accelerator != "tcg") {
        return "accelerator is auto, kvm or tcg, not '" + config.accelerator + "'";
    }
    if (config.backend != "auto" && config.backend != "firecracker" && config.backend != "qemu") {
        return "backend is auto, firecracker or qemu, not '" + config.backend + "'";
    }
    return "";
}

bool read_member(Config& config, std::string_view key, const toml::node& node, bool& known) {
    bool fits = false;
    boost::mp11::mp_for_each<Members>([&](auto member) {
        if (key != member.name) return;
        known = true;
        fits = read_value(node, config.*member.pointer);
    });
    return fits;
}

void read_key(Config& config, std::string_view key, const toml::node& node,
              const std::string& path) {
    bool known = false;
    bool fits = false;
    try {
        fits = read_member(config, key, node, known);
    } catch (const Error& error) {
        fail_at(path, node.source(), error.what());
    }
    if (!known) fail_at(path, node.source(), fmt::format("unknown key '{}'", key));
    if (!fits) fail_at(path, node.source(), fmt::format("wrong type or range for '{}'", key));
}

toml::table parse_toml(const std::string& text, const std::string& path) {
    try {
        return toml::parse(text, path);
    } catch (const toml::parse_error& error) {
        fail_at(path, error.source(), std::string(error.description()));
    }
}

void check_mirrors(const Config& config, const toml::table& table, const std::string& path) {
    for (const auto& [domain, mirrors] : config.mirrors) {
        try {
            for (const auto& mirror : mirrors)
                check_mirror(mirror, config);
        } catch (const Error& error) {
            fail_at(path, table["mirrors"][domain].node()->source(), error.what());
        }
    }
}

std::string read_if_present(const std::string& path) {
    return std::filesystem::exists(path) ? read_file(path) : "";
}

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

std::string format_value(const std::string& key, const std::string& value) {
    std::string out;
    std::string known;
    boost::mp11::mp_for_each<Members>([&](auto member) {
        known += std::string(known.empty() ? "" : ", ") + member.name;
        if (key == member.name) out = to_toml(value, Config{}.*member.pointer);
    });
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

std::string with_value(std::string text, const std::string& path, const std::string& key,
                       const std::string& value) {
    const auto table = parse_toml(text, path);
    if (const auto* node = table.get(key)) {
        const auto begin = offset_of(text, node->source().begin);
        const auto end = offset_of(text, node->source().end);
        return text.replace(begin, end - begin, value);
    }
    // Below a table's header it would belong to the table.
    const auto at = offset_of_first_table(text, table);
    auto line = key + " = " + value + "\n";
    if (at > 0 && text[at - 1] != '\n') line.insert(0, "\n");
    return text.insert(at, line);
}

}  // namespace

Config load_config(const std::string& path) {
    return parse_config(read_if_present(path), path);
}

Config parse_config(const std::string& text, const std::string& path) {
    Config config;
    const auto table = parse_toml(text, path);
    for (const auto& [key, node] : table) {
        read_key(config, key.str(), node, path);
        const auto bad = describe_bad_choice(config);
        if (!bad.empty()) fail_at(path, node.source(), bad);
    }
    check_mirrors(config, table, path);
    const auto directory = std::filesystem::absolute(path).parent_path();
    for (auto& [host, registry] : config.registry) {
        if (!registry.ca.empty()) registry.ca = directory / registry.ca;
    }
    return config;
}

void set_config_value(const std::string& path, const std::string& key, const std::string& value) {
    const auto text = with_value(read_if_present(path), path, key, format_value(key, value));
    parse_config(text, path);
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    write_file_atomically(path, text, 0600);
}

}  // namespace banger
