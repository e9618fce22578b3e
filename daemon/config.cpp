#include "daemon/config.hpp"

#include <boost/mp11/algorithm.hpp>
#include <filesystem>
#include <limits>
#include <set>

#include "daemon/config_toml.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/http_client.hpp"
#include "pipelines/io/http_target.hpp"
#include "pipelines/io/size.hpp"

namespace banger {
namespace {

using Members = boost::describe::describe_members<Config, boost::describe::mod_public>;

constexpr std::uint64_t kLeastOverhead = 64 << 20;
// QEMU's pool for disks has 64, and it does not do without one it wants.
constexpr std::uint32_t kLeastThreads = 80;

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

/// Settings of 64 bits are sizes. TOML has none, so they are text, or a number of MiB, as
/// parse_size has it; 0 is the default.
bool read_value(const toml::node& node, std::uint64_t& out) {
    const auto text = node.value_exact<std::string>();
    if (!text && !read_value<std::uint64_t>(node, out)) return false;
    if (text || out != 0) out = parse_size(text ? *text : std::to_string(out));
    return true;
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

bool read_value(const toml::node& node, LimitsConfig& out) {
    using Keys = boost::describe::describe_members<LimitsConfig, boost::describe::mod_public>;
    const auto* table = node.as_table();
    if (!table) return false;
    for (const auto& [key, value] : *table) {
        bool known = false;
        bool fits = false;
        boost::mp11::mp_for_each<Keys>([&, name = key.str(), &node = value](auto member) {
            if (name != member.name) return;
            known = true;
            fits = read_value(node, out.*member.pointer);
        });
        if (!known) fail(Errc::invalid_argument, "unknown key '{}' among the limits", key.str());
        if (!fits) fail(Errc::invalid_argument, "wrong type or range for 'limits.{}'", key.str());
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
    const auto& limits = config.limits;
    if (limits.memory_overhead != 0 && limits.memory_overhead < kLeastOverhead) {
        return "limits.memory_overhead is 64 MiB or more: a vmm with less is killed";
    }
    if (limits.threads != 0 && limits.threads < kLeastThreads) {
        return "limits.threads is 80 or more: a vmm that gets no thread ends";
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

}  // namespace banger
