#include "pipelines/io/json.hpp"

#include "pipelines/io/error.hpp"
#include "pipelines/io/json_check.hpp"

namespace banger {

boost::json::value parse_json(std::string_view text, std::string_view what) {
    boost::json::parse_options options;
    options.max_depth = 32;
    boost::json::parser parser({}, options);
    boost::json::error_code error;
    const auto read = parser.write(text, error);
    if (error) {
        fail(Errc::invalid_argument, "{} is not valid JSON: {} at byte {}", what, error.message(),
             read);
    }
    return parser.release();
}

boost::json::value parse_foreign_json(std::string_view text, std::string_view what) {
    check_foreign_json(text, what);
    return parse_json(text, what);
}

namespace detail {

std::string key_path(std::string_view path, std::string_view key) {
    return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

std::string index_path(std::string_view path, std::size_t index) {
    return fmt::format("{}[{}]", path, index);
}

void fail_expected(std::string_view path, std::string_view what) {
    if (path.empty()) fail(Errc::invalid_argument, "expected {}", what);
    fail(Errc::invalid_argument, "{}: expected {}", path, what);
}

std::int64_t read_signed(const boost::json::value& value, std::int64_t min, std::int64_t max,
                         std::string_view path) {
    if (!value.is_int64() && !value.is_uint64()) fail_expected(path, "an integer");
    // The parser gives uint64 only to what int64 cannot hold.
    if (value.is_uint64() && value.get_uint64() <= static_cast<std::uint64_t>(max)) {
        return static_cast<std::int64_t>(value.get_uint64());
    }
    if (value.is_uint64() || value.get_int64() < min || value.get_int64() > max) {
        fail_expected(path, fmt::format("an integer from {} to {}", min, max));
    }
    return value.get_int64();
}

std::uint64_t read_unsigned(const boost::json::value& value, std::uint64_t max,
                            std::string_view path) {
    if (!value.is_int64() && !value.is_uint64()) fail_expected(path, "an integer");
    const bool negative = value.is_int64() && value.get_int64() < 0;
    const auto number =
        value.is_uint64() ? value.get_uint64() : static_cast<std::uint64_t>(value.get_int64());
    if (negative || number > max) fail_expected(path, fmt::format("an integer from 0 to {}", max));
    return number;
}

void read(const boost::json::value& value, bool& out, std::string_view path) {
    if (!value.is_bool()) fail_expected(path, "true or false");
    out = value.get_bool();
}

void read(const boost::json::value& value, double& out, std::string_view path) {
    if (!value.is_number()) fail_expected(path, "a number");
    out = value.to_number<double>();
}

void read(const boost::json::value& value, std::string& out, std::string_view path) {
    if (!value.is_string()) fail_expected(path, "a string");
    out = std::string(value.get_string());
}

void read(const boost::json::value& value, boost::json::value& out, std::string_view) {
    out = value;
}

void read(const boost::json::value& value, boost::json::object& out, std::string_view path) {
    if (!value.is_object()) fail_expected(path, "an object");
    out = value.get_object();
}

void read(const boost::json::value& value, boost::json::array& out, std::string_view path) {
    if (!value.is_array()) fail_expected(path, "an array");
    out = value.get_array();
}

}  // namespace detail
}  // namespace banger
