#include "guest/vsock-agent/json_reader.hpp"

#include <boost/json/parse.hpp>

namespace banger::guest {
namespace json = boost::json;

bool JsonReader::parse(std::string_view text) {
    boost::system::error_code failure;
    json::value value = json::parse(json::string_view(text.data(), text.size()), failure);
    if (failure) {
        error_ = "not valid JSON: " + failure.message();
    } else if (!value.is_object()) {
        error_ = "not a JSON object";
    } else {
        object_ = std::move(value.get_object());
    }
    return ok();
}

void JsonReader::wrong(const char* name, const char* expected) {
    if (ok()) error_ = "'" + std::string(name) + "' is not " + expected;
}

void JsonReader::string(const char* name, std::string& out) {
    const json::value* value = object_.if_contains(name);
    if (value == nullptr || value->is_null()) return;
    if (!value->is_string()) return wrong(name, "a string");
    out.assign(value->get_string().data(), value->get_string().size());
}

void JsonReader::strings(const char* name, std::vector<std::string>& out) {
    const json::value* value = object_.if_contains(name);
    if (value == nullptr || value->is_null()) return;
    if (!value->is_array()) return wrong(name, "an array of strings");
    out.clear();
    for (const json::value& item : value->get_array()) {
        if (!item.is_string()) return wrong(name, "an array of strings");
        out.emplace_back(item.get_string().data(), item.get_string().size());
    }
}

void JsonReader::boolean(const char* name, bool& out) {
    const json::value* value = object_.if_contains(name);
    if (value == nullptr || value->is_null()) return;
    if (!value->is_bool()) return wrong(name, "true or false");
    out = value->get_bool();
}

void JsonReader::integer(const char* name, std::int64_t& out) {
    const json::value* value = object_.if_contains(name);
    if (value == nullptr || value->is_null()) return;
    boost::system::error_code failure;
    const auto number = value->to_number<std::int64_t>(failure);
    if (failure) return wrong(name, "an integer");
    out = number;
}

const json::object* JsonReader::object(const char* name) {
    const json::value* value = object_.if_contains(name);
    if (value == nullptr || value->is_null()) return nullptr;
    if (!value->is_object()) wrong(name, "an object");
    return value->if_object();
}

}  // namespace banger::guest
