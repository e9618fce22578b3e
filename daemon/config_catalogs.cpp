#include <algorithm>
#include <filesystem>
#include <sstream>

#include "daemon/config.hpp"
#include "daemon/config_toml.hpp"
#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/error.hpp"

namespace banger {
namespace {

constexpr std::string_view kHeader = "[[catalogs]]";

/// Names, URLs and keys hold nothing that a literal string of TOML could not.
std::string quote(const std::string& text) {
    if (text.find_first_of("'\n\r") != std::string::npos) {
        fail(Errc::invalid_argument, "\"{}\" cannot stand in config.toml", text);
    }
    return "'" + text + "'";
}

std::string to_toml(const CatalogConfig& catalog) {
    std::string keys;
    for (const auto& key : catalog.keys)
        keys += (keys.empty() ? "" : ", ") + quote(key);
    return fmt::format("{}\nname = {}\nurl = {}\nkeys = [{}]\n", kHeader, quote(catalog.name),
                       quote(catalog.url), keys);
}

std::vector<std::string> names_of(const Config& config) {
    std::vector<std::string> names;
    names.reserve(config.catalogs.size());
    for (const auto& catalog : config.catalogs)
        names.push_back(catalog.name);
    return names;
}

/// The lines from the `index`-th header of a catalog up to the next header of any table.
std::string without_catalog(const std::string& text, std::size_t index) {
    std::istringstream lines(text);
    std::string out;
    bool inside = false;
    for (std::string line; std::getline(lines, line);) {
        const auto first = line.find_first_not_of(" \t");
        const auto rest = first == std::string::npos ? std::string() : line.substr(first);
        if (rest.starts_with('[')) {
            const bool is_catalog = rest.starts_with(kHeader);
            inside = is_catalog && index == 0;
            if (is_catalog) --index;
        }
        if (!inside) out += line + "\n";
    }
    return out;
}

}  // namespace

void add_config_catalog(const std::string& path, const CatalogConfig& catalog) {
    auto text = read_if_present(path);
    if (!text.empty() && !text.ends_with('\n')) text += '\n';
    if (!text.empty()) text += '\n';
    text += to_toml(catalog);
    parse_config(text, path);
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    write_file_atomically(path, text, 0600);
}

void remove_config_catalog(const std::string& path, const std::string& name) {
    const auto text = read_if_present(path);
    auto expected = names_of(parse_config(text, path));
    const auto found = std::ranges::find(expected, name);
    // Somebody may have edited the file since it was read.
    if (found == expected.end()) return;
    const auto changed = without_catalog(text, static_cast<std::size_t>(found - expected.begin()));
    expected.erase(found);
    if (names_of(parse_config(changed, path)) != expected) {
        fail(Errc::unsupported, "cannot take catalog '{}' out of {}; remove its lines by hand",
             name, path);
    }
    write_file_atomically(path, changed, 0600);
}

}  // namespace banger
