#include "daemon/api/exec_lines.hpp"

#include <boost/json/serialize.hpp>
#include <utility>

#include "pipelines/io/base64.hpp"
#include "pipelines/io/json.hpp"
#include "pipelines/io/utf8.hpp"

namespace banger::api {
namespace {

std::string serialize_line(const ExecLine& line) {
    return boost::json::serialize(to_json(line)) + "\n";
}

}  // namespace

std::string ExecLines::standard_out(std::span<const std::byte> bytes) {
    return add(out_, bytes);
}

std::string ExecLines::standard_error(std::span<const std::byte> bytes) {
    return add(error_, bytes);
}

std::string ExecLines::exited(int exit_code) {
    ExecLine last;
    last.exit_code = exit_code;
    return flush() + serialize_line(last);
}

std::string ExecLines::failed(ErrorBody error) {
    error.message = replace_invalid_utf8(std::move(error.message));
    ExecLine last;
    last.error = std::move(error);
    return flush() + serialize_line(last);
}

std::string ExecLines::add(Stream& stream, std::span<const std::byte> bytes) {
    auto all = std::exchange(stream.cut, {});
    all.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const auto valid = valid_utf8_prefix(all);
    if (const auto rest = std::string_view(all).substr(valid); is_cut_character(rest)) {
        stream.cut = rest;
        all.resize(valid);
    }
    return line(stream, all);
}

std::string ExecLines::line(const Stream& stream, std::string_view bytes) {
    if (bytes.empty()) return {};
    ExecLine line;
    if (valid_utf8_prefix(bytes) == bytes.size())
        line.*stream.text = bytes;
    else
        line.*stream.base64 = base64_encode(bytes);
    return serialize_line(line);
}

std::string ExecLines::flush() {
    return line(out_, std::exchange(out_.cut, {})) + line(error_, std::exchange(error_.cut, {}));
}

}  // namespace banger::api
