#include "test/support/tar_builder.hpp"

#include <cstdio>
#include <cstring>
#include <utility>

namespace banger::test {
namespace {

constexpr std::size_t kBlock = 512;

void put_text(std::string& header, std::size_t at, std::size_t width, const std::string& text) {
    std::memcpy(header.data() + at, text.data(), std::min(width, text.size()));
}

/// Octal with a closing NUL, or base-256 when it is too large or negative.
void put_number(std::string& header, std::size_t at, std::size_t width, std::int64_t value) {
    const auto digits = static_cast<int>(width) - 1;
    if (value >= 0 && (value >> (3 * digits)) == 0) {
        char text[24];
        std::snprintf(text, sizeof text, "%0*llo", digits, static_cast<unsigned long long>(value));
        std::memcpy(header.data() + at, text, width - 1);
        return;
    }
    for (std::size_t i = 0; i < width; ++i) {
        header[at + width - 1 - i] = static_cast<char>(value & 0xFF);
        value >>= 8;
    }
    header[at] = static_cast<char>(static_cast<unsigned char>(header[at]) | 0x80);
}

}  // namespace

void TarBuilder::fix_checksum(std::string& header) {
    std::memset(header.data() + 148, ' ', 8);
    unsigned sum = 0;
    for (const char c : header.substr(0, kBlock))
        sum += static_cast<unsigned char>(c);
    char text[8];
    std::snprintf(text, sizeof text, "%06o", sum);
    std::memcpy(header.data() + 148, text, 7);
}

std::string TarBuilder::header(const TarEntry& entry, std::uint64_t size) {
    std::string header(kBlock, '\0');
    put_text(header, 0, 100, entry.path);
    put_number(header, 100, 8, entry.mode);
    put_number(header, 108, 8, entry.uid);
    put_number(header, 116, 8, entry.gid);
    put_number(header, 124, 12, static_cast<std::int64_t>(size));
    put_number(header, 136, 12, entry.mtime);
    header[156] = entry.type;
    put_text(header, 157, 100, entry.link);
    put_text(header, 257, 6, std::string("ustar\0", 6));
    put_text(header, 263, 2, "00");
    put_number(header, 329, 8, entry.major);
    put_number(header, 337, 8, entry.minor);
    fix_checksum(header);
    return header;
}

std::string TarBuilder::pax_record(const std::string& key, const std::string& value) {
    const auto body = " " + key + "=" + value + "\n";
    auto length = body.size() + 1;
    while (std::to_string(length).size() + body.size() != length)
        length = std::to_string(length).size() + body.size();
    return std::to_string(length) + body;
}

TarBuilder& TarBuilder::add(const TarEntry& entry) {
    auto pax = entry.pax;
    if (entry.path.size() > 100) pax.emplace("path", entry.path);
    if (entry.link.size() > 100) pax.emplace("linkpath", entry.link);
    if (!pax.empty()) {
        std::string records;
        for (const auto& [key, value] : pax)
            records += pax_record(key, value);
        raw(header({.path = "PaxHeaders/entry", .type = 'x'}, records.size()));
        padded(records);
    }
    raw(header(entry, entry.content.size()));
    return padded(entry.content);
}

TarBuilder& TarBuilder::dir(std::string path, unsigned mode) {
    return add({.path = std::move(path) + "/", .type = '5', .mode = mode});
}

TarBuilder& TarBuilder::file(std::string path, std::string content, unsigned mode) {
    return add({.path = std::move(path), .content = std::move(content), .mode = mode});
}

TarBuilder& TarBuilder::symlink(std::string path, std::string target) {
    return add({.path = std::move(path), .type = '2', .link = std::move(target), .mode = 0777});
}

TarBuilder& TarBuilder::hard_link(std::string path, std::string target) {
    return add({.path = std::move(path), .type = '1', .link = std::move(target)});
}

TarBuilder& TarBuilder::device(std::string path, char type, unsigned major, unsigned minor) {
    return add(
        {.path = std::move(path), .type = type, .mode = 0660, .major = major, .minor = minor});
}

TarBuilder& TarBuilder::raw(std::string_view bytes) {
    bytes_ += bytes;
    return *this;
}

TarBuilder& TarBuilder::padded(std::string_view bytes) {
    bytes_ += bytes;
    bytes_.append((kBlock - bytes.size() % kBlock) % kBlock, '\0');
    return *this;
}

}  // namespace banger::test
