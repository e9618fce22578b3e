#include "guest/vsock-agent/user.hpp"

#include <charconv>
#include <cstdint>
#include <optional>

namespace banger::guest {
namespace {

using Fields = std::vector<std::string_view>;

Fields split(std::string_view text, char separator) {
    Fields fields;
    for (;;) {
        const auto end = text.find(separator);
        fields.push_back(text.substr(0, end));
        if (end == std::string_view::npos) return fields;
        text.remove_prefix(end + 1);
    }
}

std::optional<std::uint32_t> number(std::string_view text) {
    std::uint32_t value = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || failure != std::errc{} || end != text.data() + text.size()) return {};
    // All ones means "leave it as it is" to setuid and setgid.
    if (value == UINT32_MAX) return {};
    return value;
}

/// The first line with enough fields whose name is `wanted`, or else whose number is.
std::optional<Fields> find_entry(std::string_view file, std::string_view wanted,
                                 std::size_t least) {
    std::optional<Fields> by_number;
    for (const std::string_view line : split(file, '\n')) {
        Fields fields = split(line, ':');
        if (fields.size() < least || !number(fields[2])) continue;
        if (fields[0] == wanted) return fields;
        if (!by_number && number(wanted) && number(fields[2]) == number(wanted)) by_number = fields;
    }
    return by_number;
}

std::vector<gid_t> groups_of(std::string_view group_file, std::string_view user_name) {
    std::vector<gid_t> groups;
    for (const std::string_view line : split(group_file, '\n')) {
        const Fields fields = split(line, ':');
        if (fields.size() < 4 || !number(fields[2])) continue;
        for (const std::string_view member : split(fields[3], ',')) {
            if (member == user_name) groups.push_back(*number(fields[2]));
        }
    }
    return groups;
}

bool take_user(std::string_view name, std::string_view passwd, User& user, std::string& error) {
    if (const auto entry = find_entry(passwd, name, 6)) {
        user.name = (*entry)[0];
        user.uid = *number((*entry)[2]);
        user.gid = number((*entry)[3]).value_or(0);
        user.home = (*entry)[5].empty() ? "/" : std::string((*entry)[5]);
        return true;
    }
    if (name == "root" || name == "0") {
        user.name = "root";
        user.home = "/root";
        return true;
    }
    const auto uid = number(name);
    if (uid) user.uid = *uid;
    if (!uid) error = "no user named '" + std::string(name) + "' in the guest's /etc/passwd";
    return uid.has_value();
}

bool take_group(std::string_view name, std::string_view file, User& user, std::string& error) {
    if (const auto entry = find_entry(file, name, 3)) {
        user.gid = *number((*entry)[2]);
        return true;
    }
    const auto gid = name == "root" ? 0 : number(name);
    if (gid) user.gid = *gid;
    if (!gid) error = "no group named '" + std::string(name) + "' in the guest's /etc/group";
    return gid.has_value();
}

}  // namespace

bool resolve_user(std::string_view spec, std::string_view passwd, std::string_view group,
                  User& user, std::string& error) {
    user = {};
    const auto colon = spec.find(':');
    std::string_view name = spec.substr(0, colon);
    if (name.empty()) name = "root";
    if (!take_user(name, passwd, user, error)) return false;
    // A group that is asked for stands alone, as with docker exec --user.
    if (colon != std::string_view::npos && colon + 1 < spec.size()) {
        return take_group(spec.substr(colon + 1), group, user, error);
    }
    if (!user.name.empty()) user.groups = groups_of(group, user.name);
    return true;
}

}  // namespace banger::guest
