#include "cli/format.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace banger::cli {
namespace {

std::string format_ms(std::int64_t ms) {
    return ms < 1000 ? fmt::format("{} ms", ms)
                     : fmt::format("{:.2f} s", static_cast<double>(ms) / 1000);
}

bool is_size(std::string_view key) {
    return key.ends_with("_bytes") || key == "size" || key == "disk_size" || key == "cache_size";
}

std::string format_scalar(std::string_view key, const boost::json::value& value) {
    if (value.is_string()) return std::string(value.get_string());
    if (is_size(key) && value.is_number()) return format_bytes(value.to_number<std::uint64_t>());
    if (value.is_null() || value.is_object()) return "";
    return boost::json::serialize(value);
}

std::string format_member(std::string_view key, const boost::json::value& value) {
    if (!value.is_array()) return format_scalar(key, value);
    std::string out;
    for (const auto& item : value.get_array()) {
        const auto text = format_scalar(key, item);
        if (!text.empty()) out += (out.empty() ? "" : " ") + text;
    }
    return out;
}

}  // namespace

std::string format_bytes(std::uint64_t bytes) {
    constexpr std::array units = {"B", "KiB", "MiB", "GiB", "TiB"};
    auto number = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (number >= 1024 && unit + 1 < units.size()) {
        number /= 1024;
        ++unit;
    }
    return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", number, units[unit]);
}

std::string format_spec(const api::VmInfo& vm) {
    return fmt::format("spec: {} vCPU · {} MiB · {} disk · image {} · kernel {} · {}/{}", vm.vcpu,
                       vm.memory_mib, format_bytes(vm.disk_size), vm.image, vm.kernel, vm.backend,
                       vm.isolation);
}

std::string format_timeline(const api::BootReport& boot) {
    std::string out;
    for (const auto& mark : boot.timeline) {
        out +=
            fmt::format("{}{} {}", out.empty() ? "boot: " : " · ", mark.name, format_ms(mark.ms));
    }
    return out;
}

std::string format_details(const boost::json::value& object) {
    std::size_t width = 0;
    for (const auto& member : object.as_object())
        width = std::max(width, member.key().size());
    std::string out;
    for (const auto& member : object.as_object()) {
        const auto text = format_member(member.key(), member.value());
        if (text.empty()) continue;
        const std::string key(member.key());
        out += fmt::format("{:<{}} {}\n", key + ":", width + 1, text);
    }
    return out;
}

std::string format_setting(const boost::json::value& value) {
    if (value.is_string()) return std::string(value.get_string());
    if (!value.is_array()) return boost::json::serialize(value);
    std::string out;
    for (const auto& item : value.get_array())
        out += (out.empty() ? "" : ",") + format_setting(item);
    return out;
}

std::string format_settings(const boost::json::value& object) {
    std::string out;
    for (const auto& member : object.as_object()) {
        out += std::string(member.key()) + " = " + format_setting(member.value()) + "\n";
    }
    return out;
}

std::string format_time(const std::string& rfc3339) {
    if (rfc3339.size() < 19) return rfc3339;
    auto text = rfc3339.substr(0, 19);
    text[10] = ' ';
    return text;
}

}  // namespace banger::cli
