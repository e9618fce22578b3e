#include "pipelines/image/tar_header.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "pipelines/io/error.hpp"

namespace banger::image {
namespace {

constexpr std::string_view kPadding(" \0", 2);

std::optional<std::int64_t> parse_base256(std::string_view field) {
    const bool negative = (field[0] & 0x40) != 0;
    std::int64_t value = negative ? -1 : 0;
    for (std::size_t i = 0; i < field.size(); ++i) {
        auto byte = static_cast<unsigned char>(field[i]);
        // The first bit marks the kind, the second is the sign.
        if (i == 0) byte = static_cast<unsigned char>(negative ? byte | 0x80 : byte & 0x7F);
        constexpr auto most = std::numeric_limits<std::int64_t>::max() >> 8;
        constexpr auto least = std::numeric_limits<std::int64_t>::min() >> 8;
        if (value > most || value < least) return std::nullopt;
        value = value * 256 + byte;
    }
    return value;
}

}  // namespace

std::optional<std::int64_t> parse_tar_number(std::string_view field) {
    if (!field.empty() && (field[0] & 0x80) != 0) return parse_base256(field);
    const auto first = field.find_first_not_of(kPadding);
    if (first == field.npos) return 0;
    field = field.substr(first, field.find_last_not_of(kPadding) + 1 - first);
    std::uint64_t value = 0;
    const auto result = std::from_chars(field.data(), field.data() + field.size(), value, 8);
    constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
    if (result.ec != std::errc{} || result.ptr != field.data() + field.size() || value > most) {
        return std::nullopt;
    }
    return static_cast<std::int64_t>(value);
}

TarHeader::TarHeader(std::span<const char, kTarBlock> block) : block_(block) {}

bool TarHeader::is_zero() const {
    return std::all_of(block_.begin(), block_.end(), [](char c) { return c == '\0'; });
}

/// The sum of all bytes, those of the checksum itself counted as spaces. Some old tars added them
/// up as signed.
bool TarHeader::has_right_checksum() const {
    std::int64_t plain = 0, with_sign = 0;
    for (std::size_t i = 0; i < kTarBlock; ++i) {
        const char c = i >= 148 && i < 156 ? ' ' : block_[i];
        plain += static_cast<unsigned char>(c);
        with_sign += static_cast<signed char>(c);
    }
    const auto told = parse_tar_number(field(148, 8));
    return told && (*told == plain || *told == with_sign);
}

std::string TarHeader::path() const {
    std::string path(prefix());
    if (!path.empty()) path += '/';
    return path += text(0, 100);
}

std::uint64_t TarHeader::size(std::string_view name) const {
    const auto size = number(124, 12, "size", name);
    if (size < 0) refuse_entry(name, fmt::format("its size {} is out of bounds", size));
    return static_cast<std::uint64_t>(size);
}

TarHeader::Format TarHeader::format() const {
    const auto magic = field(257, 8);
    if (magic == std::string_view("ustar  \0", 8)) return Format::gnu;
    if (!magic.starts_with(std::string_view("ustar\0", 6))) return Format::v7;
    return field(508, 4) == std::string_view("tar\0", 4) ? Format::star : Format::ustar;
}

/// Up to the first NUL; a full field has none.
std::string_view TarHeader::text(std::size_t at, std::size_t width) const {
    const auto whole = field(at, width);
    return whole.substr(0, whole.find('\0'));
}

std::string_view TarHeader::prefix() const {
    switch (format()) {
        case Format::ustar:
            return text(345, 155);
        case Format::star:
            return text(345, 131);
        case Format::gnu: {
            // GNU tar has two times there. What Go wrote before 1.8 calls itself GNU and has a
            // prefix all the same; then the times are no numbers.
            if (parse_tar_number(field(345, 12)) && parse_tar_number(field(357, 12))) return {};
            const auto prefix = text(345, 155);
            const bool is_ascii =
                std::all_of(prefix.begin(), prefix.end(), [](char c) { return (c & 0x80) == 0; });
            return is_ascii ? prefix : std::string_view();
        }
        case Format::v7:
            break;
    }
    return {};
}

std::int64_t TarHeader::number(std::size_t at, std::size_t width, std::string_view what,
                               std::string_view name) const {
    if (const auto value = parse_tar_number(field(at, width))) return *value;
    refuse_entry(name, fmt::format("its {} is no number", what));
}

std::uint32_t TarHeader::device(std::size_t at, std::string_view name) const {
    if (format() == Format::v7) return 0;
    const auto value = number(at, 8, "device number", name);
    if (value < 0 || value > std::numeric_limits<std::uint32_t>::max()) {
        refuse_entry(name, fmt::format("its device number {} is out of bounds", value));
    }
    return static_cast<std::uint32_t>(value);
}

void refuse_entry(std::string_view name, std::string_view why) {
    constexpr std::size_t kShown = 100;
    fail(Errc::invalid_argument, "bad tar entry '{}{}': {}", name.substr(0, kShown),
         name.size() > kShown ? "…" : "", why);
}

}  // namespace banger::image
