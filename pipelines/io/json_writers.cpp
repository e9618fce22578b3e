#include "pipelines/io/json_writers.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace banger::detail {
namespace {

bool is_plain(char byte) {
    return static_cast<unsigned char>(byte) >= 0x20 && byte != '"' && byte != '\\';
}

}  // namespace

TextWriter TextWriter::Array::next() {
    if (!is_first_) out_ += ',';
    is_first_ = false;
    return TextWriter(out_);
}

TextWriter TextWriter::Object::member(std::string_view key) {
    if (!is_first_) out_ += ',';
    is_first_ = false;
    TextWriter value(out_);
    value.leaf(key);
    out_ += ':';
    return value;
}

void TextWriter::leaf(std::string_view value) {
    if (!std::ranges::all_of(value, is_plain)) return leaf(boost::json::value(value));
    out_ += '"';
    out_ += value;
    out_ += '"';
}

void TextWriter::leaf(const boost::json::value& value) {
    out_ += boost::json::serialize(value);
}

void TextWriter::integer(std::int64_t value) {
    const fmt::format_int text(value);
    out_.append(text.data(), text.size());
}

void TextWriter::integer(std::uint64_t value) {
    const fmt::format_int text(value);
    out_.append(text.data(), text.size());
}

}  // namespace banger::detail
