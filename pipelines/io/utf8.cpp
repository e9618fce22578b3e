#include "pipelines/io/utf8.hpp"

#include <algorithm>

namespace banger {
namespace {

struct Character {
    std::size_t size = 0;  ///< as its first byte promises; 0: it begins no character
    unsigned char second_min = 0x80;
    unsigned char second_max = 0xbf;
};

// Table 3-7 of the Unicode standard.
Character begin_character(unsigned char first) {
    if (first < 0x80) return {1};
    if (first >= 0xc2 && first <= 0xdf) return {2};
    if (first == 0xe0) return {3, 0xa0, 0xbf};
    if (first == 0xed) return {3, 0x80, 0x9f};
    if (first >= 0xe1 && first <= 0xef) return {3};
    if (first == 0xf0) return {4, 0x90, 0xbf};
    if (first == 0xf4) return {4, 0x80, 0x8f};
    if (first >= 0xf1 && first <= 0xf3) return {4};
    return {};
}

// How many of the character's bytes are here and right.
std::size_t matching_bytes(const Character& character, std::string_view bytes) {
    const auto available = std::min(character.size, bytes.size());
    for (std::size_t i = 1; i < available; ++i) {
        const auto byte = static_cast<unsigned char>(bytes[i]);
        const bool fits = i == 1 ? byte >= character.second_min && byte <= character.second_max
                                 : byte >= 0x80 && byte <= 0xbf;
        if (!fits) return i;
    }
    return available;
}

constexpr std::string_view kCut = "\xe2\x80\xa6";

bool is_c1(std::string_view text, std::size_t at) {
    return text[at] == '\xc2' && at + 1 < text.size() &&
           static_cast<unsigned char>(text[at + 1]) < 0xa0;
}

/// Of valid text. U+0080 to U+009F are two bytes, C2 80 to C2 9F.
std::string replace_controls(std::string_view text, std::string_view kept) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size(); ++at) {
        const auto byte = static_cast<unsigned char>(text[at]);
        const bool two_bytes = is_c1(text, at);
        const bool one_byte = (byte < 0x20 || byte == 0x7f) && kept.find(text[at]) == kept.npos;
        out += one_byte || two_bytes ? '?' : text[at];
        if (two_bytes) ++at;
    }
    return out;
}

}  // namespace

std::size_t valid_utf8_prefix(std::string_view bytes) {
    std::size_t valid = 0;
    while (valid < bytes.size()) {
        const auto rest = bytes.substr(valid);
        const auto character = begin_character(static_cast<unsigned char>(rest[0]));
        if (character.size == 0 || matching_bytes(character, rest) != character.size) break;
        valid += character.size;
    }
    return valid;
}

bool is_cut_character(std::string_view bytes) {
    if (bytes.empty()) return false;
    const auto character = begin_character(static_cast<unsigned char>(bytes[0]));
    return bytes.size() < character.size && matching_bytes(character, bytes) == bytes.size();
}

std::string replace_invalid_utf8(std::string text) {
    auto valid = valid_utf8_prefix(text);
    if (valid == text.size()) return text;
    std::string_view rest(text);
    std::string replaced;
    for (; valid < rest.size(); valid = valid_utf8_prefix(rest)) {
        replaced.append(rest.substr(0, valid)).append("\xef\xbf\xbd");
        rest.remove_prefix(valid + 1);
    }
    return replaced.append(rest);
}

std::string printable(std::string text, std::size_t max_bytes) {
    text = replace_controls(replace_invalid_utf8(std::move(text)), {});
    if (text.size() <= max_bytes) return text;
    // Not in the middle of a character.
    const auto room = max_bytes - std::min(max_bytes, kCut.size());
    text.resize(valid_utf8_prefix(std::string_view(text).substr(0, room)));
    return text.append(kCut);
}

std::string printable_lines(std::string text) {
    return replace_controls(replace_invalid_utf8(std::move(text)), "\n\t");
}

}  // namespace banger
