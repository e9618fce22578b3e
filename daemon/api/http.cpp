#include "daemon/api/http.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <charconv>

#include "pipelines/io/error.hpp"
#include "pipelines/io/utf8.hpp"

namespace banger::api {
namespace {

bool is_plain_segment(std::string_view segment) {
    if (segment.empty() || segment == "." || segment == "..") return false;
    return std::none_of(segment.begin(), segment.end(),
                        [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

}  // namespace

std::optional<std::string> Request::query_value(std::string_view name) const {
    for (const auto& [key, value] : query) {
        if (key == name) return value;
    }
    return std::nullopt;
}

std::vector<std::string> Request::query_values(std::string_view name) const {
    std::vector<std::string> values;
    for (const auto& [key, value] : query) {
        if (key == name) values.push_back(value);
    }
    return values;
}

bool Request::query_flag(std::string_view name) const {
    const auto value = query_value(name);
    if (!value || *value == "false" || *value == "0") return false;
    if (*value == "true" || *value == "1" || value->empty()) return true;
    fail(Errc::invalid_argument, "query parameter {}: expected true or false, not '{}'", name,
         *value);
}

std::optional<std::uint64_t> Request::query_number(std::string_view name, std::uint64_t max) const {
    const auto value = query_value(name);
    if (!value) return std::nullopt;
    std::uint64_t number = 0;
    const char* end = value->data() + value->size();
    const auto [stop, error] = std::from_chars(value->data(), end, number);
    if (error != std::errc{} || stop != end || number > max) {
        fail(Errc::invalid_argument, "query parameter {}: expected a number from 0 to {}, not '{}'",
             name, max, *value);
    }
    return number;
}

void parse_target(Request& request) {
    const auto url = boost::urls::parse_origin_form(request.target);
    if (!url) fail(Errc::invalid_argument, "the request target is no path");
    for (const auto& segment : url->segments()) {
        if (!is_plain_segment(segment)) {
            fail(Errc::invalid_argument, "the request path has an empty or forbidden segment");
        }
        request.segments.push_back(segment);
    }
    boost::urls::encoding_opts as_form;
    as_form.space_as_plus = true;
    for (const auto& parameter : url->params(as_form)) {
        request.query.emplace_back(parameter.key, parameter.value);
    }
}

bool is_archive(const Request& request) {
    const auto type = request.headers.find("Content-Type").value_or("");
    return type.substr(0, type.find(';')) == "application/x-tar";
}

Response json_response(const boost::json::value& body, int status) {
    return json_text_response(boost::json::serialize(body), status);
}

Response json_text_response(std::string text, int status) {
    text += '\n';
    return {.status = status,
            .content_type = "application/json",
            .body = std::move(text),
            .headers = {}};
}

Response error_response(int status, ErrorBody error) {
    error.message = printable_lines(std::move(error.message));
    return json_response(boost::json::object{{"error", to_json(error)}}, status);
}

}  // namespace banger::api
