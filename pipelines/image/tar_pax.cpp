#include "pipelines/image/tar_pax.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

#include "pipelines/io/error.hpp"

namespace banger::image {
namespace {

constexpr std::string_view kSchilyXattr = "SCHILY.xattr.";
constexpr std::string_view kLibarchiveXattr = "LIBARCHIVE.xattr.";
/// Of one header. More than a file's 256 KiB of xattrs have in practice.
constexpr std::size_t kMaxXattrs = 1024;

[[noreturn]] void refuse_value(std::string_view key, std::string_view value) {
    fail(Errc::invalid_argument, "damaged tar: a pax header has '{}' for {}", value.substr(0, 100),
         key.substr(0, 100));
}

std::uint64_t number_of(std::string_view key, std::string_view value) {
    const auto number = parse_decimal(value);
    if (!number || *number > std::numeric_limits<std::int64_t>::max()) refuse_value(key, value);
    return *number;
}

std::int64_t id_of(std::string_view key, std::string_view value) {
    return static_cast<std::int64_t>(number_of(key, value));
}

/// "-12.34" is 12.34 seconds before 1970. What is finer than a nanosecond is cut off.
Timestamp time_of(std::string_view key, std::string_view value) {
    const bool negative = value.starts_with('-');
    const auto rest = value.substr(negative ? 1 : 0);
    const auto dot = std::min(rest.find('.'), rest.size());
    auto seconds = id_of(key, rest.substr(0, dot));
    std::uint32_t nanoseconds = 0, unit = 100'000'000;
    for (const char digit : rest.substr(std::min(dot + 1, rest.size()))) {
        if (digit < '0' || digit > '9') refuse_value(key, value);
        nanoseconds += static_cast<std::uint32_t>(digit - '0') * unit;
        unit /= 10;
    }
    if (!negative) return {seconds, nanoseconds};
    if (nanoseconds == 0) return {-seconds, 0};
    return {-seconds - 1, 1'000'000'000 - nanoseconds};
}

std::string text_of(std::string_view key, std::string_view value) {
    if (value.find('\0') != value.npos) refuse_value(key, "a NUL");
    return std::string(value);
}

int digit_of_base64(char c) {
    constexpr std::string_view digits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const auto at = digits.find(c);
    return at == digits.npos ? -1 : static_cast<int>(at);
}

/// libarchive writes it without the padding at its end.
std::string from_base64(std::string_view key, std::string_view value) {
    while (value.ends_with('='))
        value.remove_suffix(1);
    std::string bytes;
    unsigned bits = 0, count = 0;
    for (const char c : value) {
        const int digit = digit_of_base64(c);
        if (digit < 0) refuse_value(key, value);
        bits = bits << 6 | static_cast<unsigned>(digit);
        count += 6;
        if (count < 8) continue;
        count -= 8;
        bytes += static_cast<char>(bits >> count & 0xFF);
    }
    return bytes;
}

/// "%C3%A9" in a name that libarchive wrote.
std::string from_percent(std::string_view text) {
    std::string bytes;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned value = 0;
        const auto* digits = text.data() + i + 1;
        if (text[i] == '%' && i + 2 < text.size() &&
            std::from_chars(digits, digits + 2, value, 16).ptr == digits + 2) {
            bytes += static_cast<char>(value);
            i += 2;
        } else {
            bytes += text[i];
        }
    }
    return bytes;
}

/// An entry may carry an attribute in two dialects; the one that comes last counts.
void set_xattr(PaxFields& fields, std::string name, std::string value) {
    auto found = std::find_if(fields.xattrs.begin(), fields.xattrs.end(),
                              [&](const auto& xattr) { return xattr.first == name; });
    if (found == fields.xattrs.end()) {
        if (fields.xattrs.size() == kMaxXattrs) {
            fail(Errc::unsupported, "a pax header has more than the limit of {} xattrs",
                 kMaxXattrs);
        }
        fields.xattrs.emplace_back(std::move(name), std::move(value));
    } else {
        found->second = std::move(value);
    }
}

void set_sparse(PaxFields& fields, std::string_view key, std::string_view value) {
    const auto what = key.substr(std::string_view("GNU.sparse.").size());
    if (what == "major") fields.sparse_major = value;
    if (what == "minor") fields.sparse_minor = value;
    if (what == "name") fields.sparse_name = text_of(key, value);
    if (what == "size" || what == "realsize") fields.sparse_size = number_of(key, value);
    if (what == "numblocks") fields.sparse_regions = number_of(key, value);
    if (what == "map") fields.sparse_map = parse_sparse_map(value);
    // 0.0 tells each region by two records.
    if (what == "offset") {
        if (!fields.sparse_map) fields.sparse_map.emplace();
        add_region(*fields.sparse_map, {number_of(key, value), 0});
    }
    if (what == "numbytes") {
        if (!fields.sparse_map || fields.sparse_map->empty()) refuse_value(key, value);
        fields.sparse_map->back().size = number_of(key, value);
    }
}

void set_field(PaxFields& fields, std::string_view key, std::string_view value) {
    if (key.starts_with(kSchilyXattr)) {
        set_xattr(fields, std::string(key.substr(kSchilyXattr.size())), std::string(value));
    } else if (key.starts_with(kLibarchiveXattr)) {
        set_xattr(fields, from_percent(key.substr(kLibarchiveXattr.size())),
                  from_base64(key, value));
    } else if (value.empty()) {
        return;
    } else if (key == "path") {
        fields.path = text_of(key, value);
    } else if (key == "linkpath") {
        fields.link_path = text_of(key, value);
    } else if (key == "size") {
        fields.size = number_of(key, value);
    } else if (key == "uid") {
        fields.uid = id_of(key, value);
    } else if (key == "gid") {
        fields.gid = id_of(key, value);
    } else if (key == "mtime") {
        fields.mtime = time_of(key, value);
    } else if (key == "SCHILY.acl.access") {
        fields.access_acl = value;
    } else if (key == "SCHILY.acl.default") {
        fields.default_acl = value;
    } else if (key == "SCHILY.acl.ace") {
        fields.has_nfs4_acl = true;
    } else if (key.starts_with("GNU.sparse.")) {
        set_sparse(fields, key, value);
    }
}

/// Takes the first record, "LENGTH KEY=VALUE\n", off `records`.
std::pair<std::string_view, std::string_view> next_record(std::string_view& records) {
    const auto damaged = [](std::string_view why) {
        fail(Errc::invalid_argument, "damaged tar: a pax header {}", why);
    };
    const auto space = records.substr(0, 20).find(' ');
    const auto length = parse_decimal(records.substr(0, std::min(space, records.size())));
    if (space == records.npos || !length) damaged("has a record without a length");
    if (*length > records.size()) damaged("ends within a record");
    if (*length <= space + 1 || records[*length - 1] != '\n') {
        damaged("has a record of a wrong length");
    }
    const auto body = records.substr(space + 1, *length - space - 2);
    records.remove_prefix(*length);
    const auto equals = body.find('=');
    if (equals == body.npos || equals == 0) damaged("has a record without a key");
    const auto key = body.substr(0, equals);
    if (key.find('\0') != key.npos) damaged("has a NUL in a key");
    return {key, body.substr(equals + 1)};
}

}  // namespace

PaxFields parse_pax(std::string_view records) {
    PaxFields fields;
    while (!records.empty()) {
        const auto [key, value] = next_record(records);
        set_field(fields, key, value);
    }
    return fields;
}

}  // namespace banger::image
